"""One mail as it was sent, with what became of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.preview.preview_mails import PreviewedStep, preview_mails
from crm_relay.operations.views import store
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import RejectedInput

_HIDDEN = "…"


@dataclass(frozen=True)
class MailMoment:
    """What was reported about a mail. `verdict` machine: a scanner did it."""

    kind: str
    at: datetime
    verdict: str | None


@dataclass(frozen=True)
class MailShown:
    """Personal data. `subject` is as it was sent; `text` and `sender` are kept until the provider has the mail.

    `text_now`: where they are not kept any more, what its step says to the same person by now.
    Links that unsubscribe or answer for the person are cut short.
    """

    id: UUID
    campaign_id: UUID | None
    step_number: int | None
    variant: str | None
    status: str
    reason: str | None
    subject: str | None
    sender: str | None
    recipient: str | None
    topic: str | None
    text: str | None
    text_now: str | None
    queued_at: datetime | None
    left_at: datetime | None
    events: list[MailMoment]


def show_mail(db: Queryable, mail_id: UUID, now: datetime) -> MailShown:
    """At most four statements. RejectedInput with 404 for no such mail."""
    row = store.mail_sent(db, mail_id)
    if row is None:
        raise RejectedInput("there is no such mail", status=404)
    secrets = [row.pop(name) for name in ("unsubscribe_token", "reply_token")]
    text = row.pop("text")
    events = [MailMoment(**each) for each in store.events_of_mail(db, mail_id)]
    now_said = None if text is not None else _said_now(db, row, now)
    return MailShown(**row, text=_without(text, secrets), text_now=now_said, events=events)


def _without(text: str | None, secrets: list[str | None]) -> str | None:
    for secret in secrets:
        text = text.replace(secret, _HIDDEN) if text and secret else text
    return text


def _said_now(db: Queryable, row: Row, now: datetime) -> str | None:
    """None where the campaign, the step or the person is gone, or the campaign cannot be read by now."""
    if row["campaign_id"] is None or not row["recipient"]:
        return None
    try:
        steps = preview_mails(db, row["campaign_id"], row["recipient"], now).steps
    except RejectedInput:
        return None
    return next((each.text for each in steps if _is_of(each, row)), None)


def _is_of(step: PreviewedStep, row: Row) -> bool:
    return (step.step_number, step.variant) == (row["step_number"], row["variant"])
