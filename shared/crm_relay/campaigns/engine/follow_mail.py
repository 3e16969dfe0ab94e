"""Campaigns' part of a batch of mail events and departures: what is locked and read for it, and what it changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.engine import follow_store, store
from crm_relay.campaigns.engine.follow_store import Leaving
from crm_relay.campaigns.engine.settle import decided, line_of, locks_and_reads
from crm_relay.campaigns.follow_up import RUNNING, Enrolled, Membership, departed, engaged, proven
from crm_relay.campaigns.models import ENROLLMENT
from crm_relay.campaigns.settling import EnrollmentMoved, LineSettled
from crm_relay.mail.decisions import has_left
from crm_relay.mail.feedback.mail_events import FoldedMail
from crm_relay.mail.feedback.mail_names import Departure, MailNames
from crm_relay.mail.models import Fate, Settled
from crm_relay.platform.database import Row
from crm_relay.platform.sql import Statement

_MAILS_OF_LEAVING, _ENROLLED = "campaigns.mails_of_leaving", "campaigns.enrolled"
_SIBLINGS, _LINES = "campaigns.mails", "campaigns.lines"
_ONLY_FOLLOWER = "campaigns.only_follower"


@dataclass(frozen=True)
class Followed:
    """Opens and clicks of people make an enrollment engaged; a departure ends every sequence that it concerns.

    `leaving` may be more than those who leave in the end: it says which people to look for.
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
        if self.names.only_send is not None:
            return {_ONLY_FOLLOWER: follow_store.lock_follower(self.names.only_send)}
        return {_ENROLLED: follow_store.lock_followers(self.names)} if self.names else {}

    def reads(self) -> dict[str, Statement]:
        """Behind all locks. Of a single mail that nobody leaves by, its lock has read them."""
        is_read = self.names.only_send is not None and not self._leaves
        return {_SIBLINGS: follow_store.mails_of_followers(self.names)} if self.names and not is_read else {}

    @staticmethod
    def rows(rows: Mapping[str, list[Row]]) -> Mapping[str, list[Row]]:
        """The rows of `locks` and `reads`, under the same names whether there is one mail or several."""
        if _ONLY_FOLLOWER not in rows or _ENROLLED in rows:
            return rows
        enrolled, siblings = follow_store.follower_and_mails(rows[_ONLY_FOLLOWER])
        return {**rows, _ENROLLED: enrolled, _SIBLINGS: siblings}

    def lacks_lines(self, rows: Mapping[str, list[Row]], mails: Sequence[FoldedMail]) -> dict[str, Statement]:
        """What has to be read besides where events show that mails have left, or never will, which nobody knew."""
        proven_now = _proven(rows.get(_SIBLINGS, ()), mails)
        # Their enrollments are locked.
        return {_LINES: locks_and_reads(list(proven_now))[-1]} if proven_now and _LINES not in rows else {}

    def writes(
        self,
        rows: Mapping[str, list[Row]],
        mails: Sequence[FoldedMail],
        departures: Sequence[Departure],
        at: datetime,
    ) -> Iterator[Statement]:
        """By the rows of `locks` and `reads`; `mails` are those of the batch after its events.

        A step is settled first, and a departure wins over what follows from that.
        """
        before = {row["id"]: Enrolled.of(row) for row in rows.get(_ENROLLED, ())}
        lines, moved = decided(_proven(rows.get(_SIBLINGS, ()), mails).items(), rows.get(_LINES, ()), at)
        after = {**before, **{key: _settled(before[key], each) for key, each in moved.items()}}
        after |= _engaged(after, rows.get(_SIBLINGS, ()), mails)
        after, taken_back = departed(after, _memberships(rows.get(_ENROLLED, ())), departures)
        after |= {key: _completed(after[key]) for key, each in moved.items() if each.completed}
        final = {key: _merged(each, after[key]) for key, each in moved.items()}
        yield from store.settled(lines, final, at)
        changed = [each for key, each in after.items() if each != before[key]]
        if changed:
            yield follow_store.record_followers(changed, at)
        if taken_back:
            yield follow_store.take_back(taken_back, at)

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


def _settled(enrolled: Enrolled, moved: EnrollmentMoved) -> Enrolled:
    """Not completed yet: a departure that comes with the same events ends the sequence otherwise."""
    return replace(
        enrolled,
        status=enrolled.status if moved.completed else moved.status,
        next_step_at=moved.next_step_at,
        held_for=None,
        stopped_reason=moved.stopped_reason or enrolled.stopped_reason,
    )


def _completed(enrolled: Enrolled) -> Enrolled:
    return replace(enrolled, status="completed") if enrolled.status in RUNNING else enrolled


def _merged(moved: EnrollmentMoved, after: Enrolled) -> EnrollmentMoved:
    completed = moved.completed and after.status == "completed"
    return replace(moved, status=after.status, next_step_at=after.next_step_at, completed=completed)


def _proven(siblings: Sequence[Row], mails: Sequence[FoldedMail]) -> dict[Settled, LineSettled]:
    """Of mails whose line was open."""
    lines = {row["id"]: row["open_line"] for row in siblings}
    found = {}
    for mail in mails:
        status = proven(lines.get(mail.row["id"]), [status for _, status in mail.seen])
        if status is not None:
            fate = Fate.SENT if has_left(status) else Fate.FAILED
            reason = status if fate is Fate.FAILED else None
            row = mail.row
            settled = Settled(row["id"], fate, reason, ENROLLMENT, row["enrollment_id"], row["sequence_id"])
            found[settled] = line_of(settled)
    return found
