"""Mail's SQL for what comes back: events, replies, and who wants no more."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.mail.feedback.mail_names import MailNames
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.postgres.json_columns import JsonColumns
from crm_relay.platform.sql import Json, Rows, SqlValue, Statement, queries_beside

_SQL = queries_beside(__file__)
_FATE_COLUMNS = ("status", "reason", "sent_at", "error_message")
_STATE_COLUMNS = (
    "id",
    "status",
    "resend_id",
    "message_id",
    "sent_at",
    "delivered_at",
    "opened_at",
    "opened_count",
    "human_opens",
    "first_human_open_at",
    "clicked_at",
    "clicked_count",
    "human_clicks",
    "first_human_click_at",
    "last_human_at",
    "bounced_at",
    "bounce_type",
    "complained_at",
    "unsubscribed_at",
    "error_message",
)

_MAIL = JsonColumns(
    uuids=("id", "org_id", "enrollment_id", "campaign_id", "sequence_id"),
    moments=tuple(name for name in (*_STATE_COLUMNS,) if name.endswith("_at")),
)
_LOG = JsonColumns(uuids=("id", "email_send_id"), moments=("occurred_at",))


def lock_mails(names: MailNames) -> Statement:
    """The mails by id, each row as it is once the lock is had."""
    if names.tokens:
        return _SQL["lock_mails_of_tokens"].bind(tokens=list(names.tokens))
    if not names.email_ids:
        return _SQL["lock_mails_of_tags"].bind(sends=list(names.sends))
    return _SQL["lock_mails"].bind(sends=list(names.sends), email_ids=list(names.email_ids))


def lock_mail(send: UUID) -> Statement:
    """One mail and its events, for `mail_and_logs`."""
    return _SQL["lock_mail"].bind(send=send)


def mail_and_logs(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Of the row of `lock_mail` those that `lock_mails` and `logs_of` have; none where there is no such mail."""
    found = rows[0]["found"] or {"mail": None, "logs": None}
    return _MAIL.rows([found["mail"]] if found["mail"] else []), _LOG.rows(found["logs"] or [])


def logs_of(names: MailNames) -> Statement:
    """Every event of these mails."""
    if names.tokens:
        return _SQL["logs_of_tokens"].bind(tokens=list(names.tokens))
    if not names.email_ids:
        return _SQL["logs_of_tags"].bind(sends=list(names.sends))
    return _SQL["logs_of"].bind(sends=list(names.sends), email_ids=list(names.email_ids))


def known_events(keys: Sequence[str]) -> Statement:
    """event_key of those that the log has."""
    return _SQL["known_events"].bind(keys=list(keys))


def wait_for_answers() -> Statement:
    """Until the transaction ends no answer of the provider gives a mail its id."""
    return _SQL["wait_for_answers"].bind()


def add_logs(logs: Sequence[Mapping[str, Any]]) -> Statement:
    """DuplicateRow where one of them is here."""
    return _SQL["add_logs"].bind(logs=Rows([{**log, "event_data": Json(log["event_data"])} for log in logs]))


def judge_logs(judged: Sequence[Mapping[str, Any]]) -> Statement:
    """Each with `id`, `verdict` and `verdict_reason`."""
    return _SQL["judge_logs"].bind(judged=Rows(judged))


def record_mails(mails: Sequence[Row]) -> Statement:
    """Rows of `lock_mails`, as they become."""
    return _SQL["record_mails"].bind(mails=Rows([{name: mail[name] for name in _STATE_COLUMNS} for mail in mails]))


def record_mail_event(log: Mapping[str, Any], mail: Row) -> Statement:
    """A log of `add_logs` and its mail as it becomes, where it is the only one. DuplicateRow as there."""
    return _SQL["record_mail_event"].bind(
        event_type=log["event_type"],
        event_data=Json(log["event_data"]),
        occurred_at=log["occurred_at"],
        event_key=log["event_key"],
        reported_id=log["resend_id"],
        verdict=log["verdict"],
        verdict_reason=log["verdict_reason"],
        **{name: mail[name] for name in _STATE_COLUMNS},
    )


def accepting(
    batch_id: UUID, generation: int, ids: Sequence[UUID], email_ids: Sequence[str], now: datetime
) -> list[Statement]:
    """Four: whether the batch was not finished, the mails, a wait, and events of these mails.

    Of the mails id, status, sent_at and error_message. Events that wait for one of these ids of the provider have no
    email_send_id.
    """
    return [
        _SQL["finish_batch"].bind(batch_id=batch_id, generation=generation, now=now),
        _SQL["lock_accepted"].bind(batch_id=batch_id, ids=list(ids)),
        _SQL["hold_events"].bind(),
        _SQL["reported_before"].bind(email_ids=list(email_ids), ids=list(ids)),
    ]


def record_accepted(mails: Sequence[Row]) -> list[Statement]:
    """Rows of `accepting`, as the answer alone makes them; their payload goes. Those with the same fate in one row."""
    alike: dict[tuple[Any, ...], list[Row]] = {}
    for mail in mails:
        alike.setdefault(tuple(mail[name] for name in _FATE_COLUMNS), []).append(mail)
    rows: list[dict[str, SqlValue]] = [
        {
            **dict(zip(_FATE_COLUMNS, fate, strict=True)),
            "ids": [mail["id"] for mail in theirs],
            "resend_ids": [mail["resend_id"] for mail in theirs],
        }
        for fate, theirs in alike.items()
    ]
    return [_SQL["record_accepted"].bind(mails=Rows(rows))] if rows else []


def adopt_logs(logs: Sequence[Row]) -> list[Statement]:
    """They have found their mail."""
    columns = ("id", "email_send_id", "verdict", "verdict_reason")
    rows = [{**{name: log[name] for name in columns}, "event_data": Json(log["event_data"])} for log in logs]
    return [_SQL["adopt_logs"].bind(logs=Rows(rows))] if rows else []


def find_inbound(source: str, mails: Sequence[Mapping[str, Any]]) -> Statement:
    """Each with email_id, address, tokens and domains; a row each with whose it may be."""
    return _SQL["find_inbound"].bind(source=source, mails=Rows(mails))


def keep_inbound(mails: Sequence[Mapping[str, Any]]) -> Statement:
    """Safe to call twice."""
    return _SQL["keep_inbound"].bind(mails=Rows(mails))


def organizations_of(addresses: Sequence[str]) -> Statement:
    """address and org_id: the default organization, and whichever holds the address or has mailed it."""
    return _SQL["organizations_of"].bind(addresses=list(addresses))


def topics_at_provider(provider: str, topics: Sequence[str]) -> Statement:
    """external_id and topic of those that are mapped."""
    return _SQL["topics_at_provider"].bind(provider=provider, topics=list(topics))


def leave_topics(left: Sequence[Mapping[str, Any]]) -> Statement:
    """Each with org_id, address, topic, source and occurred_at. Safe to call twice."""
    return _SQL["leave_topics"].bind(left=Rows(left))


def suppressions_of(tokens: Sequence[str]) -> Statement:
    """org_id, address and suppressed_by of anyone who has these links."""
    return _SQL["suppressions_of"].bind(tokens=list(tokens))


def refuse_waiting(gone: Sequence[Mapping[str, Any]]) -> Statement:
    """What is queued and was never tried; each with org_id, address, topic (None: all) and reason."""
    return _SQL["refuse_waiting"].bind(gone=Rows(gone))


def headers_to_read(db: Queryable, source: str, *, since: datetime, limit: int) -> list[Row]:
    """id and external_id of replies that came after `since`."""
    return db.run(_SQL["headers_to_read"], source=source, since=since, limit=limit)


def asked_in_vain(db: Queryable, ids: Sequence[UUID]) -> None:
    """Their headers could not be read; the others come first next time."""
    db.run(_SQL["asked_in_vain"], ids=list(ids))


def keep_headers(db: Queryable, read: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Each with id, in_reply_to, reference_ids, thread_id and is_auto_reply."""
    db.run(_SQL["keep_headers"], read=Json([dict(each) for each in read]), now=now)


def give_up_headers(db: Queryable, source: str, *, since: datetime, now: datetime) -> list[UUID]:
    """Those that came before `since` and count as read from here on."""
    return [row["id"] for row in db.run(_SQL["give_up_headers"], source=source, since=since, now=now)]


def reader_of(db: Queryable, token: str) -> Row | None:
    """topic, organization, parts of the address, is_out, is_out_of_topic; None where nobody has that token."""
    rows = db.run(_SQL["reader_of"], token=token)
    return rows[0] if rows else None


def name_topic(db: Queryable, provider: str, external_id: str, topic: str) -> int:
    """How many opt-outs were kept under the provider's id. Safe to call twice."""
    rows = db.run(_SQL["name_topic"], provider=provider, external_id=external_id, topic=topic)
    return int(rows[0]["opt_outs"])


def named_topics(db: Queryable, provider: str) -> list[Row]:
    """external_id and topic."""
    return db.run(_SQL["named_topics"], provider=provider)
