"""An approval as the engine and everybody who decides look at it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

ENTITY: Final = "workflow_approval"
"""The `entity_type` of notifications about an approval; their `entity_id` is its id."""

FOR_APPROVAL: Final = "approval"
"""`waits_for` of a run that waits for one."""

UNDECIDABLE: Final = "workflow_approval_undecidable"
"""A run waits for an approval, and nobody is there who can give it; the subject is the run's id."""

PENDING, APPROVED, REJECTED, EXPIRED = "pending", "approved", "rejected", "expired"
DELEGATED, ESCALATED = "delegated", "escalated"
HANDED_ON: Final = frozenset({DELEGATED, ESCALATED})


class CameBy(Enum):
    """How somebody came to be asked. The last two are somebody's choice, and stand for nobody else's sake."""

    SELF = "self"
    DEPUTY = "deputy"
    MANAGER = "manager"
    OWNER = "owner"
    DELEGATION = "delegation"
    ESCALATION = "escalation"


class Way(Enum):
    """How a decision came. LINK: by the link in the approver's mail, which may have been forwarded."""

    LINK = "link"
    PAGE = "page"
    API = "api"
    CLI = "cli"


class ApprovalAction(Enum):
    """What somebody does with an approval."""

    APPROVE = "approve"
    REJECT = "reject"
    DELEGATE = "delegate"


@dataclass(frozen=True)
class AskedApproval:
    """A row of `workflow_approvals`. `stage` counts from 1; `entries` are places in the step's list of approvers.

    `stands_for` is the person that the list names; `follows` the approval that was handed on to this one.
    """

    id: UUID
    execution_id: UUID
    step_id: UUID | None
    org_id: UUID
    approver_id: UUID
    status: str
    stage: int = 1
    entries: tuple[int, ...] = (0,)
    approver_type: str | None = None
    approver_role: str | None = None
    stands_for: UUID | None = None
    came_by: CameBy = CameBy.SELF
    requester_id: UUID | None = None
    follows: UUID | None = None
    delegated_to: UUID | None = None
    escalated_to: UUID | None = None
    due_at: datetime | None = None
    remind_at: datetime | None = None
    reminded_at: datetime | None = None
    overdue_at: datetime | None = None
    expires_at: datetime | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "AskedApproval":
        """Of a row with these columns, `sequence_order` as `stage`."""
        given = {name: row[name] for name in cls.__dataclass_fields__ if name not in {"entries", "came_by"}}
        return cls(**given, entries=tuple(row["entries"]), came_by=CameBy(row["came_by"]))

    @property
    def is_pending(self) -> bool:
        """Whether it waits for its approver."""
        return self.status == PENDING

    @property
    def is_decided(self) -> bool:
        """Whether its approver has answered."""
        return self.status in {APPROVED, REJECTED}


@dataclass(frozen=True)
class ApprovalFacts:
    """What a step that waits for people looks at: all approvals of its run, and where their links lead.

    `has_incident`: nobody could be asked when it was looked at last.
    """

    rows: tuple[AskedApproval, ...] = ()
    has_incident: bool = False
    public_url: str = ""
    link_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApprovalAsked:
    """A new row of `workflow_approvals`, with the hash of the link that its approver gets."""

    row: Mapping[str, Any] = field(hash=False)
    link_sha256: str = ""


@dataclass(frozen=True)
class ApprovalLink:
    """Another link to an approval that was asked for before."""

    approval_id: UUID
    sha256: str


@dataclass(frozen=True)
class ApprovalChanged:
    """What becomes of a row without a decision of its approver; None leaves a column as it is.

    `line`: what the log of the run says.
    """

    id: UUID
    line: str
    status: str | None = None
    delegated_to: UUID | None = None
    escalated_to: UUID | None = None
    reason: str | None = None
    reminded: bool = False
    overdue: bool = False
    entries: tuple[int, ...] | None = None


@dataclass(frozen=True)
class NobodyToAsk:
    """`is_so`: an approval is needed, and nobody is there to give it; False: somebody is again."""

    is_so: bool
