"""The statements by which campaigns follow mail: who is locked, what is read, and where everybody is afterwards."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.follow_up import Enrolled
from crm_relay.mail.feedback.mail_names import MailNames
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.postgres.json_columns import JsonColumns
from crm_relay.platform.sql import Rows, SqlValue, Statement, queries_beside

_SQL = queries_beside(__file__, "follow.sql")
_ENROLLED = JsonColumns(
    uuids=("id", "org_id", "campaign_id"),
    moments=("first_opened_at", "first_clicked_at", "last_engagement_at", "next_step_at", "replied_at"),
)
_SIBLING = JsonColumns(
    uuids=("id", "enrollment_id"), moments=("first_human_open_at", "first_human_click_at", "last_human_at")
)
Leaving = tuple[MailNames, Sequence[str]]
"""Mails whose address leaves, and addresses that leave without a mail of ours."""


def lock_followers(names: MailNames) -> Statement:
    """Rows for `Enrolled.of`, each as it is once the lock is had."""
    return _of_mails("lock_followers", names)


def lock_follower(send: UUID) -> Statement:
    """The enrollment of one mail, and its other mails, for `follower_and_mails`."""
    return _SQL["lock_follower"].bind(send=send)


def follower_and_mails(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Of the row of `lock_follower` those that `lock_followers` and `mails_of_followers` have."""
    found = rows[0]["found"]
    return ([], []) if found is None else (_ENROLLED.rows([found["enrolled"]]), _SIBLING.rows(found["mails"]))


def lock_leaving(names: MailNames, leaving: Leaving) -> Statement:
    """The same for both; a row for each address that leaves, with `topic` and `leaving_address`."""
    return _SQL["lock_leaving"].bind(**_mails(names), **_leaving(leaving))


def lock_mails_of_leaving(leaving: Leaving) -> Statement:
    """What is queued for them."""
    return _SQL["lock_mails_of_leaving"].bind(**_leaving(leaving))


def mails_of_followers(names: MailNames) -> Statement:
    """Rows for `engaged`, with enrollment_id and open_line (None: the fate of its mail is settled)."""
    return _of_mails("mails_of_followers", names)


def fates(names: MailNames) -> Statement:
    """Rows for `departures_of`."""
    return _SQL["fates"].bind(sends=list(names.sends))


def replies_waiting(items: Sequence[UUID] | None = None) -> list[Statement]:
    """Two: rows for `look_at`, and id and reason of ended sequences for which something is queued.

    `items`: of these replies alone, although they are set aside, and of no ended sequence.
    """
    only = None if items is None else list(items)
    return [_SQL["replies_waiting"].bind(items=only), _SQL["waiting_for_ended"].bind(is_left_out=only is not None)]


def unfollowed(db: Queryable) -> tuple[list[UUID], dict[UUID, str]]:
    """Replies that nobody looked at, and the reason of each ended sequence for which something is queued."""
    ended = db.run(_SQL["waiting_for_ended"], is_left_out=False)
    return [row["id"] for row in db.run(_SQL["unfollowed"])], {row["id"]: str(row["reason"]) for row in ended}


def people_of_reply(db: Queryable, item: UUID) -> list[UUID]:
    """Whose it may be."""
    return [row["enrollment_id"] for row in db.run(_SQL["people_of_reply"], item=item)]


def lock_answered(answered: Sequence[UUID], noted: Sequence[UUID]) -> list[Statement]:
    """Three: a lock of what is queued, its people, and rows for `after_replies` of those that are not locked."""
    return [
        _SQL["lock_mails_of_answered"].bind(answered=list(answered)),
        _SQL["concerned_by_replies"].bind(answered=list(answered), noted=list(noted)),
        _SQL["lock_answered"].bind(answered=list(answered), noted=list(noted)),
    ]


def lock_ending(ids: Sequence[UUID]) -> list[Statement]:
    """Two: a lock of what is queued, and rows for `Enrolled.of`, each as it is once the lock is had."""
    return [_SQL[name].bind(ids=sorted(ids)) for name in ("lock_mails_of_ending", "lock_ending")]


def record_looked_at(seen: Mapping[UUID, tuple[UUID | None, str | None]], at: datetime) -> Statement:
    """By item: the enrollment and the thread. Safe to call twice."""
    rows: list[Mapping[str, SqlValue]] = [
        {"id": key, "enrollment_id": enrollment, "thread_id": thread} for key, (enrollment, thread) in seen.items()
    ]
    return _SQL["record_looked_at"].bind(seen=Rows(rows), at=at)


def record_followers(enrolled: Sequence[Enrolled], at: datetime) -> Statement:
    """Each enrollment once."""
    if len(enrolled) == 1:
        return _SQL["record_follower"].bind(**vars(enrolled[0]), at=at)
    return _SQL["record_followers"].bind(enrolled=Rows([vars(each) for each in enrolled]), at=at)


def take_back(reasons: Mapping[UUID, str], at: datetime) -> Statement:
    """By enrollment. Safe to call twice."""
    return _SQL["take_back"].bind(enrollments=list(reasons), reasons=list(reasons.values()), at=at)


def _of_mails(query: str, names: MailNames) -> Statement:
    if not names.email_ids:
        return _SQL[f"{query}_of_tags"].bind(sends=list(names.sends))
    return _SQL[query].bind(**_mails(names))


def _mails(names: MailNames) -> dict[str, SqlValue]:
    return {"sends": list(names.sends), "email_ids": list(names.email_ids)}


def _leaving(leaving: Leaving) -> dict[str, SqlValue]:
    names, addresses = leaving
    return {
        "leaving_sends": list(names.sends),
        "leaving_ids": list(names.email_ids),
        "leaving_tokens": list(names.tokens),
        "leaving_addresses": list(addresses),
    }
