"""What a mail's events make of it, and when a sender is in bad health; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crm_relay.rules.user_agents import scanner_of

MACHINE_WITHIN = timedelta(seconds=10)
"""Who opens or clicks sooner than this after the delivery is a gateway that reads everybody's mail."""

BURST = timedelta(seconds=3)
"""Who clicks all of several links within this time is no reader."""

# Each of the later states says more than the ones before it. A transient bounce stands below the delivery.
_RANKS = (
    "queued",
    "refused",
    "dry_run",
    "sending",
    "unknown",
    "scheduled",
    "sent",
    "pending",
    "failed",
    "suppressed",
    "bounced_for_now",
    "delivered",
    "opened",
    "clicked",
    "bounced",
    "unsubscribed",
    "spam",
)
_OF_THE_LEDGER = frozenset({"queued", "refused", "dry_run", "sending", "unknown", "sent", "failed"})
_NOT_LEFT = frozenset({"queued", "refused", "dry_run", "sending", "unknown"})
_PERSON = "nothing speaks against a person"
_STATUS_OF = {"delivery_delayed": "pending", "complained": "spam"}


@dataclass(frozen=True)
class EmailEvent:
    """One event of a mail; `key` tells it from every other. `kind` is a word of the provider room, or unsubscribed."""

    key: str
    kind: str
    occurred_at: datetime
    link: str | None = None
    user_agent: str | None = None
    bounce_type: str | None = None
    reason: str | None = None
    message_id: str | None = None
    topic: str | None = None


@dataclass(frozen=True)
class LedgerEntry:
    """What the ledger knows by itself; `links`: how many different ones the mail holds."""

    status: str = "sent"
    sent_at: datetime | None = None
    links: int = 0
    unsubscribe_token: str | None = None
    message_id: str | None = None
    error_message: str | None = None


@dataclass(frozen=True)
class MailState:
    """What became of a mail. Times are those of the first such event, `last_human_at` of the last one."""

    status: str
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    opened_at: datetime | None = None
    opened_count: int = 0
    human_opens: int = 0
    first_human_open_at: datetime | None = None
    clicked_at: datetime | None = None
    clicked_count: int = 0
    human_clicks: int = 0
    first_human_click_at: datetime | None = None
    last_human_at: datetime | None = None
    bounced_at: datetime | None = None
    bounce_type: str | None = None
    complained_at: datetime | None = None
    unsubscribed_at: datetime | None = None
    error_message: str | None = None
    message_id: str | None = None
    verdicts: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    """Of the verdicts, by the same keys."""


def fold(mail: LedgerEntry, events: Iterable[EmailEvent]) -> MailState:
    """The state after these events, in whatever order and however often each of them came."""
    ordered = sorted({event.key: event for event in events}.values(), key=lambda event: (event.occurred_at, event.key))
    reasons = _reasons(mail, ordered)
    verdicts = {key: "human" if reason == _PERSON else "machine" for key, reason in reasons.items()}
    human = [event for event in ordered if verdicts.get(event.key) == "human"]
    opens, clicks, bounces = _of("opened", ordered), _of("clicked", ordered), _of("bounced", ordered)
    human_opens, human_clicks = _of("opened", human), _of("clicked", human)
    return MailState(
        status=_status(mail.status, ordered),
        sent_at=_first(_of("sent", ordered), mail.sent_at),
        delivered_at=_first(_of("delivered", ordered)),
        opened_at=_first(opens),
        opened_count=len(opens),
        human_opens=len(human_opens),
        first_human_open_at=_first(human_opens),
        clicked_at=_first(clicks),
        clicked_count=len(clicks),
        human_clicks=len(human_clicks),
        first_human_click_at=_first(human_clicks),
        last_human_at=max((event.occurred_at for event in human), default=None),
        bounced_at=_first(bounces),
        # permanent < transient < undetermined, as it happens also in the alphabet
        bounce_type=min((event.bounce_type for event in bounces if event.bounce_type), default=None),
        complained_at=_first(_of("complained", ordered)),
        unsubscribed_at=_first(_of("unsubscribed", ordered)),
        error_message=next((event.reason for event in ordered if event.reason), mail.error_message),
        message_id=min((event.message_id for event in ordered if event.message_id), default=mail.message_id),
        verdicts=verdicts,
        reasons=reasons,
    )


def status_accepted(status: str) -> str:
    """Of a mail that the provider takes at this moment: `sent`, unless an event says more already."""
    return status if _RANKS.index(status) > _RANKS.index("sent") else "sent"


def has_left(status: str) -> bool | None:
    """Whether a mail with this status was sent; None: the ledger does not know, or it never tried."""
    return None if status in _NOT_LEFT else status not in {"failed", "suppressed"}


def is_scanner(agent: str | None) -> bool:
    """Whether the user agent is one of a program that follows links before a person does."""
    return scanner_of(agent) is not None


def _of(kind: str, events: Sequence[EmailEvent]) -> list[EmailEvent]:
    return [event for event in events if event.kind == kind]


def _first(events: Sequence[EmailEvent], known: datetime | None = None) -> datetime | None:
    times = [event.occurred_at for event in events]
    return min(times if known is None else [known, *times], default=None)


def _status(status: str, events: Sequence[EmailEvent]) -> str:
    own = status if status in _OF_THE_LEDGER else "sent"
    last = max((own, *map(_status_of, events)), key=_RANKS.index)
    return "bounced" if last == "bounced_for_now" else last


def _status_of(event: EmailEvent) -> str:
    if event.kind == "bounced":
        return "bounced" if event.bounce_type == "permanent" else "bounced_for_now"
    return _STATUS_OF.get(event.kind, event.kind)


def _reasons(mail: LedgerEntry, events: Sequence[EmailEvent]) -> dict[str, str]:
    """Of every open and click; one on the link that unsubscribes shows no interest, a person's or a machine's."""
    judged = [event for event in events if event.kind in {"opened", "clicked"} and not _unsubscribes(mail, event)]
    begun = _first(_of("delivered", events)) or _first(_of("sent", events), mail.sent_at)
    bursts = _bursts(mail, _of("clicked", judged))
    return {event.key: _why_machine(event, begun, bursts) or _PERSON for event in judged}


def _unsubscribes(mail: LedgerEntry, event: EmailEvent) -> bool:
    return mail.unsubscribe_token is not None and mail.unsubscribe_token in (event.link or "")


def _bursts(mail: LedgerEntry, clicks: Sequence[EmailEvent]) -> list[datetime]:
    """When all links began to be clicked at once."""
    if mail.links < 2:
        return []
    return [
        first.occurred_at
        for first in clicks
        if len({each.link for each in clicks if _within(each.occurred_at, first.occurred_at) and each.link})
        >= mail.links
    ]


def _within(moment: datetime, start: datetime) -> bool:
    return start <= moment <= start + BURST


def _why_machine(event: EmailEvent, begun: datetime | None, bursts: Sequence[datetime]) -> str | None:
    """None: nothing speaks against a person."""
    if begun is not None and event.occurred_at < begun + MACHINE_WITHIN:
        return f"within {MACHINE_WITHIN.seconds} seconds of the delivery"
    if (scanner := scanner_of(event.user_agent)) is not None:
        return scanner
    in_burst = event.kind == "clicked" and any(_within(event.occurred_at, start) for start in bursts)
    return f"all links within {BURST.seconds} seconds" if in_burst else None


@dataclass(frozen=True)
class SenderWeek:
    """What an identity's mail came to in the last seven days."""

    sent: int
    permanent_bounces: int
    complaints: int


def sender_problem(week: SenderWeek) -> str | None:
    """Why nothing more may leave in this name; None: it is well, or too little was sent to say."""
    if week.sent < SMALLEST_SAMPLE:
        return None
    if week.permanent_bounces > MOST_BOUNCES * week.sent:
        return "bounces"
    return "complaints" if week.complaints > MOST_COMPLAINTS * week.sent else None


SMALLEST_SAMPLE = 50
MOST_BOUNCES = 0.05
MOST_COMPLAINTS = 0.003
"""Providers close accounts at about these shares. https://support.google.com/a/answer/81126 names the second."""
