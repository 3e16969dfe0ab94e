"""Who is asked one after the other and at once, and what their answers come to; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from crm_relay.workflows.actions.configs import ApprovalConfig
from crm_relay.workflows.approvals.models import APPROVED, REJECTED, AskedApproval


class StageState(Enum):
    """What the answers of a stage come to. SHORT: those who are asked are too few to approve."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    SHORT = "short"


@dataclass(frozen=True)
class Stage:
    """Those who are asked at once. `entries` are places in the step's list of approvers; `number` counts from 1."""

    number: int
    entries: tuple[int, ...]
    quorum: int | None = None


def stages_of(config: ApprovalConfig) -> list[Stage]:
    """In their order; one alone where everybody is asked at once."""
    places = range(len(config.approvers))
    if config.mode == "parallel":
        return [Stage(1, tuple(places), config.quorum)]
    return [Stage(place + 1, (place,)) for place in places]


def state_of(stage: Stage, rows: Iterable[AskedApproval]) -> StageState:
    """By the rows of the stage.

    Without a quorum one answer for each entry is needed, and the first refusal is one of the whole. With a quorum so
    many different people have to approve, and it is refused once those who are left are too few because of refusals.
    """
    live = [row for row in rows if row.is_pending or row.is_decided]
    approved = _people(live, APPROVED)
    rejected = _people(live, REJECTED)
    if stage.quorum is None:
        if rejected:
            return StageState.REJECTED
        uncovered = [entry for entry in stage.entries if not _covered(entry, live)]
        return StageState.OPEN if uncovered else StageState.APPROVED
    if len(approved) >= stage.quorum:
        return StageState.APPROVED
    possible = len({row.approver_id for row in live if row.status != REJECTED})
    if possible >= stage.quorum:
        return StageState.OPEN
    return StageState.REJECTED if possible + len(rejected) >= stage.quorum else StageState.SHORT


def _covered(entry: int, rows: Sequence[AskedApproval]) -> bool:
    return any(entry in row.entries and row.status == APPROVED for row in rows)


def _people(rows: Sequence[AskedApproval], status: str) -> set[UUID]:
    return {row.approver_id for row in rows if row.status == status}
