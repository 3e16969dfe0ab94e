"""A delivery of the e-mail provider, and as what the ledger takes the event of a mail in it. No input or output."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.consent.address import normalise
from crm_relay.consent.models import ConsentKind
from crm_relay.mail.decisions import EmailEvent
from crm_relay.mail.feedback.mail_events import ReportedEvent
from crm_relay.providers.email_events import Event, MailEvent


@dataclass(frozen=True)
class Report:
    """One delivery of `provider`. `key`: the delivery's id. `is_erased`: somebody in it was erased.

    `is_new` False: it was applied before.
    """

    key: str
    event: Event
    provider: str
    received_at: datetime
    is_new: bool = True
    is_erased: bool = False


def reported_of(report: Report) -> ReportedEvent:
    """A delivery that is about one mail."""
    event = report.event
    assert isinstance(event, MailEvent)  # noqa: S101 - the caller's promise
    addresses = {address for each in event.recipients if (address := normalise(each)) is not None}
    return ReportedEvent(
        EmailEvent(
            report.key,
            event.kind,
            event.occurred_at,
            link=event.link,
            user_agent=event.user_agent,
            bounce_type=event.bounce_type,
            reason=event.reason,
            message_id=None if event.message_id is None else bracketed(event.message_id),
        ),
        email_id=event.email_id,
        send=_uuid(event.tags.get("send")),
        # Of several recipients nobody knows which one it was about.
        address=addresses.pop() if len(addresses) == 1 else None,
        suppresses=_suppresses(event),
        is_erased=report.is_erased,
    )


def bracketed(message_id: str) -> str:
    """A message id as it stands in the headers of a reply: in angle brackets."""
    return f"<{message_id.strip().strip('<>')}>"


def suppressed_as(kind: str, bounce_type: str | None) -> ConsentKind | None:
    """What an event of this kind is to the consent ledger."""
    if kind == "complained":
        return ConsentKind.COMPLAINT
    return ConsentKind.HARD_BOUNCE if bounce_type == "permanent" or kind == "suppressed" else None


def _suppresses(event: MailEvent) -> str | None:
    kind = ConsentKind.COMPLAINT if event.is_complaint else suppressed_as(event.kind, event.bounce_type)
    return None if kind is None else kind.value


def _uuid(text: str | None) -> UUID | None:
    """None for a tag that is none of ours."""
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None
