"""Records that the provider has a batch: whose ids these are, and what was reported before anybody knew them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.consent.models import ConsentEvent
from crm_relay.consent.record import recording
from crm_relay.mail.decisions import status_accepted
from crm_relay.mail.feedback import store
from crm_relay.mail.feedback.mail_events import adopt_events
from crm_relay.mail.feedback.mail_names import MailNames
from crm_relay.mail.feedback.reports import suppressed_as
from crm_relay.platform.database import Row, Transaction
from crm_relay.platform.sql import Statement


@dataclass(frozen=True)
class AcceptedMails:
    """`seen`: mails that events were reported of. `writes` are still to be sent."""

    seen: frozenset[UUID]
    writes: Sequence[Statement]


def accept_answer(
    tx: Transaction,
    batch_id: UUID,
    generation: int,
    results: Sequence[Mapping[str, Any]],
    now: datetime,
    *,
    provider: str,
) -> AcceptedMails | None:
    """What becomes of the mails; None where somebody else has recorded the answer.

    Each result has a mail's `id`, its `resend_id` or its `problem`. The mails are locked by id, then events that come
    at this moment wait, and only then is looked for those that came before. One message, whatever the batch, and one
    more where something was reported of it.
    """
    email_ids = [result["resend_id"] for result in results if result["resend_id"] is not None]
    ids = [result["id"] for result in results]
    is_ours, before, _, reported = tx.send_all(store.accepting(batch_id, generation, ids, email_ids, now))
    if not is_ours:
        return None
    known = {result["id"]: result for result in results}
    accepted = [_accepted(row, known[row["id"]], now) for row in before]
    waiting = [log for log in reported if log["email_send_id"] is None]
    logs = [log for log in reported if log["email_send_id"] is not None]
    # A mail of which nothing was reported is as the answer says.
    reported_of = _whole(tx, [row for row in accepted if _is_seen(row, waiting, logs)])
    folded, adopted = adopt_events(reported_of, waiting, logs)
    seen = [store.record_mails([each.as_row for each in folded])] if folded else []
    writes = [
        *store.record_accepted(accepted),
        *seen,
        *store.adopt_logs(adopted),
        *_opt_outs(adopted, reported_of, provider),
    ]
    return AcceptedMails(frozenset(each.row["id"] for each in folded), writes)


def _opt_outs(adopted: Sequence[Row], mails: Sequence[Row], provider: str) -> Iterator[Statement]:
    """What an event said of an address that it did not name: the mail has it."""
    known = {mail["id"]: mail for mail in mails}
    events = []
    for log in adopted:
        mail, kind = known[log["email_send_id"]], suppressed_as(log["event_type"], log["event_data"].get("bounce_type"))
        if kind is not None and mail["address"] is not None:
            at, key = log["occurred_at"], log["event_key"]
            events.append(ConsentEvent(kind, mail["address"], provider, at, source_event=key, org_id=mail["org_id"]))
    if events:
        yield recording(events)


def _whole(tx: Transaction, accepted: Sequence[Row]) -> list[Row]:
    """The rows of these mails, which are locked already, as the answer makes them."""
    if not accepted:
        return []
    by_id = {row["id"]: row for row in accepted}
    (rows,) = tx.send_all([store.lock_mails(MailNames(sends=tuple(sorted(by_id))))])
    return [{**row, **by_id[row["id"]]} for row in rows]


def _accepted(mail: Row, result: Mapping[str, Any], now: datetime) -> Row:
    problem = result["problem"]
    if problem is not None:
        return {
            **mail,
            "status": "failed",
            "reason": problem,
            "resend_id": None,
            "sent_at": None,
            "error_message": problem,
        }
    sent_at = now if mail["sent_at"] is None else min(mail["sent_at"], now)
    status = status_accepted(mail["status"])
    return {**mail, "status": status, "reason": None, "resend_id": result["resend_id"], "sent_at": sent_at}


def _is_seen(mail: Row, waiting: Sequence[Row], logs: Sequence[Row]) -> bool:
    return any(log["email_send_id"] == mail["id"] for log in logs) or any(
        log["resend_id"] == mail["resend_id"] for log in waiting
    )
