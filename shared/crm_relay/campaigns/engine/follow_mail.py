"""Campaigns' part of a batch of mail events and departures: what is locked and read for it, and what it changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.engine import follow_store
from crm_relay.campaigns.engine.follow_store import Leaving
from crm_relay.campaigns.engine.settle import line_of
from crm_relay.campaigns.follow_up import Enrolled, Membership, departed, engaged, proven
from crm_relay.campaigns.models import ENROLLMENT
from crm_relay.campaigns.settling import LineSettled
from crm_relay.mail.decisions import has_left
from crm_relay.mail.feedback.mail_events import FoldedMail
from crm_relay.mail.feedback.mail_names import Departure, MailNames
from crm_relay.mail.models import Fate, Settled
from crm_relay.platform.database import Row
from crm_relay.platform.sql import Statement

_MAILS_OF_LEAVING, _ENROLLED = "campaigns.mails_of_leaving", "campaigns.enrolled"
_SIBLINGS = "campaigns.mails"


@dataclass(frozen=True)
class Followed:
    """Opens and clicks of people make an enrollment engaged; a departure ends every sequence that it concerns.

    `leaving` may be more than those who leave in the end: it says whom to look for.
    """

    names: MailNames
    leaving: Leaving

    def locks(self) -> dict[str, Statement]:
        """Directly behind the mails."""
        if self._leaves:
            return {
                _MAILS_OF_LEAVING: follow_store.lock_mails_of_leaving(self.leaving),
                _ENROLLED: follow_store.lock_leaving(self.names, self.leaving),
            }
        return {_ENROLLED: follow_store.lock_followers(self.names)} if self.names else {}

    def reads(self) -> dict[str, Statement]:
        """Behind all locks."""
        return {_SIBLINGS: follow_store.mails_of_followers(self.names)} if self.names else {}

    def writes(
        self,
        rows: Mapping[str, list[Row]],
        mails: Sequence[FoldedMail],
        departures: Sequence[Departure],
        at: datetime,
    ) -> Iterator[Statement]:
        """By the rows of `locks` and `reads`; `mails` are those of the batch after its events."""
        before = {row["id"]: Enrolled.of(row) for row in rows.get(_ENROLLED, ())}
        after = {**before, **_engaged(before, rows.get(_SIBLINGS, ()), mails)}
        places = _memberships(rows.get(_ENROLLED, ()))
        after, taken_back = departed(after, places, departures)
        changed = [each for key, each in after.items() if each != before[key]]
        if changed:
            yield follow_store.record_followers(changed, at)
        if taken_back:
            yield follow_store.take_back(taken_back, at)
        lines = list(_proven(rows.get(_SIBLINGS, ()), mails))
        if lines:
            yield follow_store.settle_proven(lines, at)

    def ended(self, rows: Mapping[str, list[Row]], departures: Sequence[Departure]) -> int:
        """How many sequences the departures end."""
        before = {row["id"]: Enrolled.of(row) for row in rows.get(_ENROLLED, ())}
        places = _memberships(rows.get(_ENROLLED, ()))
        after, _ = departed(before, places, departures)
        return sum(after[key].status != each.status for key, each in before.items())

    @property
    def _leaves(self) -> bool:
        names, addresses = self.leaving
        return bool(names or addresses)


def _engaged(
    before: Mapping[UUID, Enrolled], siblings: Sequence[Row], mails: Sequence[FoldedMail]
) -> dict[UUID, Enrolled]:
    now = {each.row["id"]: each.as_row for each in mails}
    theirs: dict[UUID, list[Row]] = {}
    for row in siblings:
        theirs.setdefault(row["enrollment_id"], []).append(now.get(row["id"], row))
    return {key: engaged(before[key], rows) for key, rows in theirs.items() if key in before}


def _memberships(enrolled: Sequence[Row]) -> dict[UUID, Membership]:
    """Of those that have an address that leaves; none where nobody leaves."""
    found: dict[UUID, Membership] = {}
    for row in enrolled:
        if (address := row.get("leaving_address")) is not None:
            known = found.get(row["id"], Membership(row["org_id"], row["topic"]))
            found[row["id"]] = replace(known, addresses=known.addresses | {address})
    return found


def _proven(siblings: Sequence[Row], mails: Sequence[FoldedMail]) -> Iterator[tuple[UUID, UUID, LineSettled]]:
    lines = {row["id"]: row["open_line"] for row in siblings}
    for mail in mails:
        status = proven(lines.get(mail.row["id"]), [status for _, status in mail.seen])
        if status is not None:
            enrollment, sequence = mail.row["enrollment_id"], mail.row["sequence_id"]
            fate = Fate.SENT if has_left(status) else Fate.FAILED
            reason = status if fate is Fate.FAILED else None
            yield enrollment, sequence, line_of(Settled(mail.row["id"], fate, reason, ENROLLMENT, enrollment, sequence))
