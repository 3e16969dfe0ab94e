"""What differs between two sides, which state times or a log imply, and what may be mended unasked: pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.edge_cache.decisions import CLOCK_TOLERANCE
from crm_relay.edge_cache.items import item_hash
from crm_relay.edge_cache.keys import BUCKETS, Entity
from crm_relay.edge_cache.models import CacheItem
from crm_relay.integrity.models import Finding, Fingerprint, Suspect
from crm_relay.mail.decisions import has_left
from crm_relay.mail.models import Fate

STATUSES = (
    *("draft", "pending", "queued", "scheduled", "sending", "sent", "delivered", "delayed", "opened", "clicked"),
    *("replied", "bounced", "failed", "complained", "unsubscribed", "cancelled", "received"),
)
"""All that an e-mail may be; an inbound one is received. Null is allowed: not said."""

ENGAGED = ("delivered", "opened", "clicked", "replied")
"""What cannot be said of an e-mail that came back."""

LIVE = ("active", "engaged")
"""An enrollment that goes on by itself."""

UNFINISHED = (*LIVE, "paused")
"""An enrollment that is not over."""

STUCK = "an edit that nothing brings to PostgreSQL"
STUCK_AFTER = timedelta(hours=1)
"""No edit waits at the edge for so long, and no row stays parked for so long, without being a finding."""

SKEW = CLOCK_TOLERANCE
"""Two machines' clocks may differ by this: what happened so little before the sending happened with it."""


def differing_buckets(ours: Mapping[int, int], theirs: Mapping[int, int]) -> list[int]:
    """Ascending."""
    return [bucket for bucket in range(BUCKETS) if ours.get(bucket, 0) != theirs.get(bucket, 0)]


def suspects_among(
    entity: Entity,
    rows: Mapping[UUID, Fingerprint],
    items: Iterable[CacheItem],
    left_out: Collection[UUID],
    now: datetime | None = None,
) -> list[Suspect]:
    """By id. A row whose edit waits, on either side, is on its way and no suspect."""
    there = {item.row_id: item for item in items}
    found = []
    for row_id in sorted((rows.keys() | there.keys()) - set(left_out)):
        row, item = rows.get(row_id), there.get(row_id)
        what = difference(row, item, now)
        if what is not None:
            found.append(Suspect(entity, row_id, what, row, item))
    return found


def is_stuck(item: CacheItem, now: datetime | None) -> bool:
    """Whether its edit has waited for longer than any does, by the later of its times; nobody has one of the future."""
    if item.edited_at is None or now is None:
        return False
    return not now - STUCK_AFTER <= max(item.edited_at, item.written_at) <= now + CLOCK_TOLERANCE


def difference(row: Fingerprint | None, item: CacheItem | None, now: datetime | None = None) -> str | None:
    """In what the two differ; None where they agree, or where an edit waits to be decided on.

    An edit that waits is pushed within minutes, or parked, which is a finding of its own. Any other has lost its place
    in the index of what waits, as of `now`.
    """
    if item is not None and item.edited_at is not None:
        return STUCK if is_stuck(item, now) else None
    if item is not None and item.altered:
        return "other attributes at the edge"
    if item is None or item.doc is None:
        return None if row is None else "missing at the edge"
    if row is None:
        return "only at the edge"
    if row.version != item.version:
        return "another version at the edge"
    return None if row.content == item_hash(item) else "other content at the edge"


@dataclass(frozen=True)
class EmailState:
    """An e-mail as far as its state goes. `is_answered`: there is an inbound message from its recipient."""

    direction: str
    status: str | None
    sent_at: datetime | None
    opened_at: datetime | None
    clicked_at: datetime | None
    replied_at: datetime | None
    bounced_at: datetime | None
    is_answered: bool

    @property
    def events(self) -> dict[str, datetime]:
        """What a person did with it, by column, in the order in which it has to happen."""
        times = {"opened_at": self.opened_at, "clicked_at": self.clicked_at, "replied_at": self.replied_at}
        return {name: at for name, at in times.items() if at is not None}

    @property
    def claims_reply(self) -> bool:
        """By its time or by its status."""
        return self.direction == "outbound" and (self.replied_at is not None or self.status == "replied")


def problems_of(state: EmailState) -> list[str]:
    """Every rule that it breaks; the query `suspicious_emails` says the same in SQL."""
    came_back = state.bounced_at is not None or state.status == "bounced"
    rules = {
        "unknown status": state.status is not None and state.status not in STATUSES,
        "before it was sent": bool(_before(state)),
        "replied without an inbound e-mail": state.claims_reply and not state.is_answered,
        "bounced and delivered": came_back and (state.status in ENGAGED or bool(state.events)),
    }
    return [rule for rule, is_broken in rules.items() if is_broken]


def implied_by_times(state: EmailState) -> dict[str, Any] | None:
    """The columns to change so that no rule is broken; None where the times allow more than one state, or none."""
    if state.bounced_at is not None and state.events:
        return None
    if state.claims_reply and state.replied_at is not None and not state.is_answered:
        return None
    early = _before(state)
    if any(state.sent_at is None or state.sent_at - at > SKEW for at in early.values()):
        return None
    moved = dict.fromkeys(early, state.sent_at)
    if not _contradicts(state):
        return moved or None
    status = _status_of(state)
    return None if status is None else moved | {"status": status}


def _before(state: EmailState) -> dict[str, datetime]:
    """What happened to it before it was sent, or without its being sent."""
    if state.direction != "outbound":
        return {}
    return {name: at for name, at in state.events.items() if state.sent_at is None or at < state.sent_at}


def _contradicts(state: EmailState) -> bool:
    """Whether the status is what has to give way to the times."""
    return bool(
        {"unknown status", "replied without an inbound e-mail", "bounced and delivered"} & set(problems_of(state))
    )


def _status_of(state: EmailState) -> str | None:
    """The furthest that the times prove; None where they prove nothing."""
    if state.direction == "inbound":
        return "received"
    if state.bounced_at is not None:
        return "bounced"
    furthest = next(reversed(state.events), None)
    if furthest is not None:
        return furthest.removesuffix("_at")
    return None if state.sent_at is None else "sent"


@dataclass(frozen=True)
class EnrollmentState:
    """Where somebody stands in a campaign. `last_step`: the campaign's last number, 0 where it has no step.

    `logged_step`: the furthest with a line in the log, 0: none. `is_running`: the engine works on the campaign.
    `has_pending`: a step of theirs is on its way.
    """

    status: str
    current_step: int
    next_step_at: datetime | None
    last_step: int
    logged_step: int
    is_running: bool
    has_pending: bool = False

    @property
    def is_past_the_last(self) -> bool:
        """No step is left that it could have done."""
        return self.current_step > self.last_step

    @property
    def is_due_though_finished(self) -> bool:
        """Nothing comes after the end."""
        return self.next_step_at is not None and self.status not in UNFINISHED

    @property
    def is_forgotten(self) -> bool:
        """Nobody would ever take its next step."""
        return self.is_running and self.next_step_at is None and not self.has_pending and self.status in LIVE


def problems_of_enrollment(state: EnrollmentState) -> list[str]:
    """Every rule that it breaks; the query `suspicious_enrollments` says the same in SQL."""
    rules = {
        "current_step past the last": state.is_past_the_last,
        "next_step_at on a finished enrollment": state.is_due_though_finished,
        "live without next_step_at": state.is_forgotten,
    }
    return [rule for rule, is_broken in rules.items() if is_broken]


def implied_by_log(state: EnrollmentState) -> dict[str, Any] | None:
    """The columns to change so that no rule is broken; None: when the next step is due cannot be known."""
    if state.is_forgotten:
        return None
    step = {"current_step": state.logged_step} if state.is_past_the_last else {}
    due = {"next_step_at": None} if state.is_due_though_finished else {}
    return step | due


def fate_of_message(status: str | None) -> Fate:
    """What a ledger's status says of a message that is not on its way; None: the ledger does not have it any more."""
    if status in _FATES:
        return _FATES[status]
    return Fate.UNKNOWN if status is None or not has_left(status) else Fate.SENT


_FATES = {
    "refused": Fate.REFUSED,
    "dry_run": Fate.DRY_RUN,
    "failed": Fate.FAILED,
    "suppressed": Fate.FAILED,
    "unknown": Fate.UNKNOWN,
}


def may_mend(fixable: int, *, cap: int, approved: bool) -> bool:
    """More than the cap at once is more likely a fault of the check, or of a whole system, than of so many rows."""
    return approved or fixable <= cap


def leave_to_people(finding: Finding, reverted: Collection[tuple[str, str]]) -> bool:
    """What somebody took back is not done again unasked."""
    return (finding.entity, finding.row_id) in reverted
