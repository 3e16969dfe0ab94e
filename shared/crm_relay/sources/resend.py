"""Resend: the fate of mail, opens and clicks, replies and opt-outs, signed over the body by Svix.

A delivery is one event about one mail or one contact, so it is redacted as a whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from crm_relay.campaigns.engine.follow_mail import Followed
from crm_relay.consent.person import Person
from crm_relay.mail.feedback.apply_event import FeedbackBatch
from crm_relay.mail.feedback.mail_events import rows_of_mails, turn
from crm_relay.mail.feedback.reports import Report
from crm_relay.platform.sql import Statement
from crm_relay.providers.email_events import Event
from crm_relay.providers.resend import webhook
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.people.redact import emptied
from crm_relay.webhooks.source import (
    Batch,
    Decided,
    KeptDelivery,
    ReadMore,
    ReadRows,
    Received,
    Source,
    WebhookRequest,
)

NAME = "resend"


def receive(request: WebhookRequest, secrets: Sequence[str], now: datetime) -> Received[Event]:
    """RejectedInput: 401 without a valid signature or where no secret is configured, 400 for a body without meaning."""
    webhook.ensure_signed(request.headers, secrets, now)
    svix_id, event = webhook.receive(request.body, request.headers, secrets=secrets, now=now)
    return Received(Delivered(NAME, request.body, now, request.headers, delivery_id=svix_id), event)


def parse(delivered: Delivered) -> Event:
    """RejectedInput for a body without meaning."""
    return webhook.parse(delivered.body, now=delivered.received_at)


def reads(batch: Batch[Event]) -> Mapping[str, Statement]:
    """The mails and anyone who is enrolled by them, locked in that order, and then what decides about them."""
    reports = [_report(each.delivered, each.parsed) for each in batch.deliveries]
    return _reads(FeedbackBatch(reports, batch.is_repeated))


def decide(kept: Sequence[KeptDelivery[Event]], rows: ReadRows) -> Decided | ReadMore:
    """To the ledger, the consent and the replies, and to the campaign that sent the mail."""
    rows = Followed.rows(rows_of_mails(rows))
    reports = [_report(each.delivered, each.parsed, is_new=each.is_new, is_erased=bool(each.erased)) for each in kept]
    batch = FeedbackBatch(reports)
    if batch.lacks_turn(rows):
        return ReadMore({**turn(), **_reads(FeedbackBatch(reports, by_every_name=True))})
    feedback = batch.decide(rows)
    at = max(each.received_at for each in reports)
    followed = Followed(batch.names, batch.leaving)
    mails = list(feedback.folded.mails.values())
    if more := followed.lacks_lines(rows, mails):
        return ReadMore(more)
    writes = followed.writes(rows, mails, feedback.departures, at)
    return Decided(feedback.outcomes, [*feedback.writes, *writes], feedback.after_commit)


def redact(body: str, person: Person) -> str | None:
    """All or nothing. A contact's id is Mautic's: the same number is another person here."""
    return emptied(body, replace(person, contact_ids=frozenset()))


def _report(delivered: Delivered, event: Event, *, is_new: bool = True, is_erased: bool = False) -> Report:
    key = delivered.delivery_id or delivered.dedupe_key
    return Report(key, event, NAME, delivered.received_at, is_new, is_erased)


def _reads(batch: FeedbackBatch) -> dict[str, Statement]:
    followed = Followed(batch.names, batch.leaving)
    return {**batch.locks(), **followed.locks(), **batch.reads(), **followed.reads()}


RESEND = Source(NAME, receive, parse, reads, decide, redact)
