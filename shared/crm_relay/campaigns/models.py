"""A campaign, its steps, somebody who is due, and what is decided about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from crm_relay.campaigns.variants import Variant
from crm_relay.mail.models import Identity
from crm_relay.rules.conditions import SkipCondition
from crm_relay.rules.send_windows import SendWindow

ENROLLMENT = "campaign_enrollment"
"""As what a campaign's mails and text messages name the enrollment that they belong to."""


class StepChannel(Enum):
    """How a step reaches somebody. LinkedIn, phone and task steps make work for a person."""

    EMAIL = "email"
    LINKEDIN = "linkedin"
    PHONE = "phone"
    SMS = "sms"
    TASK = "task"
    WAIT = "wait"


class LatePolicy(Enum):
    """What happens to a step whose time is long over: after an outage, a pause, a deployment."""

    SEND = "send"
    SKIP = "skip"
    SEND_WITHIN = "send_within"


@dataclass(frozen=True)
class StepDelay:
    """`days` are counted on the clock of the send window's zone, and then the `rest` (hours, minutes) as it passes."""

    days: int = 0
    rest: timedelta = timedelta()


@dataclass(frozen=True)
class Step:
    """One step of a sequence; its `delay` runs from the step before, or from the activation."""

    id: UUID
    number: int
    channel: StepChannel
    delay: StepDelay = StepDelay()
    subject: str = ""
    body_html: str = ""
    body_text: str = ""
    defaults: Mapping[str, str] | None = None
    conditions: tuple[SkipCondition, ...] = ()
    variants: tuple[Variant, ...] = ()
    ab_winner: str | None = None
    stop_on_reply: bool = True
    task: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Campaign:
    """What the engine has to know of a campaign. `steps` are the active ones in their order."""

    id: UUID
    org_id: UUID
    name: str
    window: SendWindow
    steps: tuple[Step, ...]
    identity: Identity | None = None
    use_recipient_timezone: bool = False
    late_policy: LatePolicy = LatePolicy.SEND
    late_after: timedelta = timedelta(minutes=60)
    topic: str | None = None

    def step_after(self, number: int) -> Step | None:
        """The next active step behind `number`, or None where the sequence ends."""
        return next((step for step in self.steps if step.number > number), None)


@dataclass(frozen=True)
class DueEnrollment:
    """Somebody whose next step is due, and all that decides about it.

    `fields` and `contact` are the columns that skip conditions and variables may name. `suppressed_by` is the ledger's
    word (opt_out, complaint, hard_bounce, erased), `topic_opt_out` and `sms_suppressed` its narrower ones.
    `has_twin`: an earlier enrollment of the same campaign has this address by now.
    `cap_frees_at`: when the person may get another e-mail, None: now. `answered`: a reply that stops has come.
    `due_at` is when the step was first due, `next_at` when it is taken up where that was moved since.
    """

    id: UUID
    campaign_id: UUID
    contact_id: UUID
    current_step: int
    due_at: datetime
    fields: Mapping[str, Any]
    contact: Mapping[str, Any]
    address: str | None
    phone: str | None = None
    timezone: str | None = None
    suppressed_by: str | None = None
    topic_opt_out: bool = False
    sms_suppressed: bool = False
    contact_deleted: bool = False
    answered: bool = False
    has_twin: bool = False
    cap_frees_at: datetime | None = None
    next_at: datetime | None = None


class Act(Enum):
    """What is done about a step, and by that the status of its line in the log."""

    EMAIL = "email"
    SMS = "sms"
    WORK = "work"
    WAIT = "wait"
    SKIP = "skip"
    STOP = "stop"
    MOVE = "move"
    COMPLETE = "complete"


@dataclass(frozen=True)
class StepDecision:
    """What happens to one enrollment now.

    `step` is the one reached (None for MOVE and COMPLETE). `next_at`: when the following step is due, None: there is
    none and the enrollment is complete. `status`: the enrollment's new one where it ends. `variant` is what an A/B step
    chose.
    """

    enrollment_id: UUID
    act: Act
    step: Step | None = None
    reason: str | None = None
    next_at: datetime | None = None
    status: str | None = None
    variant: Variant | None = None


@dataclass(frozen=True)
class Capabilities:
    """What the installation can do at this moment."""

    sms: bool = False
