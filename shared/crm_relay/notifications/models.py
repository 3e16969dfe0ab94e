"""A notification on its way to a colleague: what is asked for, what the person wants, and what is decided of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.send_windows import DAYS, SendWindow


class Channel(Enum):
    """Where a notification is delivered. The row itself is always there: IN_APP decides whether it is announced."""

    IN_APP = "in_app"
    EMAIL = "email"
    SLACK = "slack"
    SMS = "sms"
    PUSH = "push"


ALL_CHANNELS = frozenset(Channel)


class Priority(Enum):
    """As `notifications.priority` has it."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class Urgency(IntEnum):
    """The column of the gate table that holds for a notification; also its lane, the lowest first."""

    CRITICAL = 0
    URGENT = 1
    NORMAL = 2


class Frequency(Enum):
    """How often a person wants to hear of a category outside the application."""

    IMMEDIATE = "immediate"
    HOURLY_DIGEST = "hourly_digest"
    DAILY_DIGEST = "daily_digest"
    WEEKLY_DIGEST = "weekly_digest"
    NEVER = "never"


class PreferenceSource(Enum):
    """Whose choice a preference is."""

    PERSON = "person"
    ORGANIZATION = "organization"
    BUILT_IN = "built_in"


@dataclass(frozen=True)
class Preference:
    """What a person wants of a category, as it acts. `zone` is the person's, an IANA name.

    `digest_day` is one of `DAYS`. `quiet_hours` None: never quiet; inside the window is quiet. `dnd_until` None while
    `dnd_enabled`: until it is switched off.
    """

    channels: frozenset[Channel] = frozenset({Channel.IN_APP, Channel.EMAIL})
    frequency: Frequency = Frequency.IMMEDIATE
    digest_time: time = time(9)
    digest_day: str = "mon"
    quiet_hours: SendWindow | None = None
    dnd_enabled: bool = False
    dnd_until: datetime | None = None
    email_unsubscribed: bool = False
    zone: str = "UTC"
    source: PreferenceSource = PreferenceSource.BUILT_IN


@dataclass(frozen=True)
class TemplateVariable:
    """One variable that a template declares. `type` is a word of `rendering.py`."""

    name: str
    type: str = "string"
    is_required: bool = False
    description: str | None = None


@dataclass(frozen=True)
class NotificationTemplate:
    """A row of `notification_templates`; `org_id` None: the system's. Fields are named as the columns are."""

    slug: str
    category: str
    title_template: str
    message_template: str
    org_id: UUID | None = None
    version: int = 1
    default_type: str = "info"
    default_priority: Priority = Priority.NORMAL
    is_critical: bool = False
    action_url_template: str | None = None
    action_label: str | None = None
    email_subject_template: str | None = None
    email_body_template: str | None = None
    email_body_text_template: str | None = None
    sms_template: str | None = None
    default_channels: tuple[Channel, ...] = (Channel.IN_APP,)
    variables: tuple[TemplateVariable, ...] = ()
    conditions: Mapping[str, Any] = field(default_factory=dict, hash=False)
    unless_read_within: timedelta | None = None

    @property
    def channels(self) -> frozenset[Channel]:
        """Those for which it has a text. Slack's is made of title, message and link."""
        texts = {
            Channel.EMAIL: self.email_subject_template and (self.email_body_template or self.email_body_text_template),
            Channel.SMS: self.sms_template,
        }
        return ALL_CHANNELS - {channel for channel, text in texts.items() if not text}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "NotificationTemplate":
        """Of a row with at least the columns of the fields; RejectedInput for variables that are no declarations."""
        wait = row["unless_read_within"]
        return cls(
            slug=row["slug"],
            category=row["category"],
            title_template=row["title_template"],
            message_template=row["message_template"],
            org_id=row["org_id"],
            version=row["version"] or 1,
            default_type=row["default_type"] or "info",
            default_priority=Priority(row["default_priority"] or "normal"),
            is_critical=row["is_critical"],
            action_url_template=row["action_url_template"],
            action_label=row["action_label"],
            email_subject_template=row["email_subject_template"],
            email_body_template=row["email_body_template"],
            email_body_text_template=row["email_body_text_template"],
            sms_template=row["sms_template"],
            default_channels=channels_of(row["default_channels"]) or (Channel.IN_APP,),
            variables=declared_variables(row["variables"]),
            conditions=row["conditions"] or {},
            unless_read_within=None if wait is None else timedelta(minutes=wait),
        )


def declared_variables(stored: object) -> tuple[TemplateVariable, ...]:
    """Of `[{"name": "job.title", "type": "string", "required": true, "description": "..."}]`; null: none."""
    entries = [] if stored is None else stored
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries
    ):
        raise RejectedInput("variables of a template: a list of {name, type?, required?, description?}")
    return tuple(
        TemplateVariable(
            entry["name"], str(entry.get("type", "string")), entry.get("required") is True, entry.get("description")
        )
        for entry in entries
    )


def channels_of(stored: object) -> tuple[Channel, ...]:
    """Of a column of channels, in its order, each once; an unknown word is no channel."""
    words = stored if isinstance(stored, list) else []
    known = {channel.value for channel in Channel}
    return tuple(dict.fromkeys(Channel(word) for word in words if isinstance(word, str) and word in known))


def day_of(stored: str | None) -> str:
    """Of `monday` the word that windows use, `mon`; Monday for what is no day."""
    word = (stored or "")[:3].lower()
    return word if word in DAYS else DAYS[0]


@dataclass(frozen=True)
class ReaderLocale:
    """The reader of a text: dates by the clock of `zone` (an IANA name), numbers and money by `locale`."""

    zone: str = "UTC"
    locale: str = "en-US"


@dataclass(frozen=True)
class EmailContent:
    """An e-mail without sender, footer and headers; `text` is never empty where `html` has words."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class Rendered:
    """A template with its values. None: the template has no text for the channel. `action_url` was checked."""

    title: str
    message: str
    action_url: str | None = None
    email: EmailContent | None = None
    sms: str | None = None


@dataclass(frozen=True)
class EntityRef:
    """A row of the CRM that has an owner: account, contact, deal, job, and the like."""

    entity_type: str
    entity_id: UUID


@dataclass(frozen=True)
class Recipients:
    """Who is notified: all of these together, each person once, and nobody of another organization.

    `role` is a word of `user_profiles.role`; `owner_of` names the owner of a row, `manager_of` the manager of a user.
    """

    users: tuple[UUID, ...] = ()
    role: str | None = None
    owner_of: EntityRef | None = None
    manager_of: UUID | None = None
    everybody: bool = False


@dataclass(frozen=True)
class NotificationRequest:
    """One event that people have to hear of. `event_key` is its identity for ever: once a person and key.

    With a `slug` the template says what is not given here. Without one, `category`, `title` and `message` are given,
    and nothing leaves by e-mail or text message. `group_key`: an unread notification of the group is updated instead.
    `action_url` is a path of the application or an https address of an allowed host.
    """

    org_id: UUID
    event_key: str
    recipients: Recipients
    slug: str | None = None
    variables: Mapping[str, object] = field(default_factory=dict, hash=False)
    category: str | None = None
    title: str | None = None
    message: str | None = None
    type: str | None = None
    priority: Priority | None = None
    channels: tuple[Channel, ...] = ()
    entity_type: str | None = None
    entity_id: UUID | None = None
    action_url: str | None = None
    action_label: str | None = None
    group_key: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Notice:
    """What is decided about: one notification of one person as it is now.

    `contents`: the channels that it has a text for. `reachable`: those on which the person has an address.
    `without_digest`: those on which nothing can be gathered. `created_at`: when its newest text was written.
    `has_waited`: a gate held it back before. `withdrawn_for`: a word for why it is over, such as `decided`.
    """

    channels: tuple[Channel, ...]
    urgency: Urgency
    created_at: datetime
    contents: frozenset[Channel] = ALL_CHANNELS
    reachable: frozenset[Channel] = ALL_CHANNELS
    without_digest: frozenset[Channel] = frozenset({Channel.SMS})
    expires_at: datetime | None = None
    is_user_active: bool = True
    was_seen: bool = False
    has_waited: bool = False
    withdrawn_for: str | None = None
    unless_read_within: timedelta | None = None


class Verdict(Enum):
    """SEND: now. HOLD: every gate is asked again at `not_before`. DIGEST: leaves in the one of `not_before`. SKIP."""

    SEND = "send"
    HOLD = "hold"
    DIGEST = "digest"
    SKIP = "skip"


@dataclass(frozen=True)
class ChannelDecision:
    """What happens on one channel, and why. `is_silent`: the row is there, and nothing announces it."""

    channel: Channel
    verdict: Verdict
    reason: str | None = None
    not_before: datetime | None = None
    is_silent: bool = False
