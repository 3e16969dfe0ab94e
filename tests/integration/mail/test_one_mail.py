"""A single mail is read and written by functions with kept plans, several by statements: both do the same."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.engine import follow_store
from crm_relay.campaigns.follow_up import Enrolled
from crm_relay.mail.feedback import store
from crm_relay.mail.feedback.mail_names import MailNames
from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import Statement
from crm_relay.sources.resend import RESEND
from crm_relay.webhooks.receive import apply_once
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.mail.mail_events import delivered, email_event
from tests.support.mail.mail_harness import MONDAY, MailHarness, enroll
from tests.support.platform.rows import rows_of

MAIL_COLUMNS = {
    "status": "'bounced'",
    "topic": "'news'",
    "message_id": "'<m@example.com>'",
    "bounce_type": "'transient'",
    "error_message": "'it''s late'",
    "opened_count": "7",
    "human_opens": "5",
    "clicked_count": "4",
    "human_clicks": "3",
}
TIMES = (
    "delivered_at",
    "opened_at",
    "first_human_open_at",
    "clicked_at",
    "first_human_click_at",
    "last_human_at",
    "bounced_at",
    "complained_at",
    "unsubscribed_at",
)


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


@pytest.fixture
def sent(post: MailHarness) -> list[UUID]:
    """Two mails of two people with events and a value in every column, microseconds included; and one without any."""
    full, other, bare = (post.queue(name, **enroll(post.db, name))[0] for name in ("ada", "bo", "cy"))
    post.send()
    ids = {send: mail.id for send, mail in zip((full, other, bare), post.simulator.mails, strict=True)}
    for send in (full, other):
        for seconds, kind in ((60, "opened"), (90, "clicked")):
            apply_once(post.db, RESEND, delivered(email_event(kind, seconds, f"{kind}-{send}"), send, ids[send]))
    times = ", ".join(f"{name} = sent_at + {place} * interval '1.000001 hours'" for place, name in enumerate(TIMES))
    columns = ", ".join(f"{name} = {value}" for name, value in MAIL_COLUMNS.items())
    rows_of(
        post.db,
        f"update email_sends set {columns}, {times} where id = any (:ids::uuid[]) returning id",
        ids=[full, other],
    )
    return [full, other, bare]


def read(db: Database, *statements: Statement) -> list[list[Row]]:
    return db.transact(lambda transaction: transaction.send_all(list(statements)))


def test_one_mail_and_its_events_are_read_as_several_are(post: MailHarness, sent: list[UUID]) -> None:
    for send in sent:
        names = MailNames(sends=(send,))
        several = read(post.db, store.lock_mails(names), store.logs_of(names))
        mails, logs = store.mail_and_logs(read(post.db, store.lock_mail(send))[0])
        by_key = [sorted(each, key=lambda row: str(row["event_key"])) for each in (logs, several[1])]
        assert (mails, by_key[0]) == (several[0], by_key[1])
        assert [list(map(type, row.values())) for row in mails] == [list(map(type, row.values())) for row in several[0]]
    assert len(logs) == 0
    assert store.mail_and_logs(read(post.db, store.lock_mail(UUID(int=1)))[0]) == ([], [])


def test_whoever_is_enrolled_by_one_mail_is_read_as_several_are(post: MailHarness, sent: list[UUID]) -> None:
    rows_of(
        post.db,
        """update campaign_enrollments
           set first_opened_at = now(), first_clicked_at = now(), last_engagement_at = now(), replied_at = now(),
               next_step_at = now(), held_for = 'cap', stopped_reason = 'x', thread_id = 't'
           returning id""",
    )
    for send in sent:
        names = MailNames(sends=(send,))
        several = read(post.db, follow_store.lock_followers(names), follow_store.mails_of_followers(names))
        assert list(follow_store.follower_and_mails(read(post.db, follow_store.lock_follower(send))[0])) == several
        assert len(several[0]) == 1


def test_a_mail_that_nobody_is_enrolled_by_has_no_follower(post: MailHarness, sent: list[UUID]) -> None:
    rows_of(post.db, "update email_sends set enrollment_id = null where id = :id returning id", id=sent[0])
    for send in (sent[0], UUID(int=1)):
        assert follow_store.follower_and_mails(read(post.db, follow_store.lock_follower(send))[0]) == ([], [])


def everything(db: Database, table: str, key: str, send: UUID) -> dict[str, Any]:
    (row,) = rows_of(db, f"select to_jsonb(it) as row from {table} it where {key} = :id", id=send)
    return {name: value for name, value in row["row"].items() if name != "updated_at"}


def test_one_mail_is_written_as_several_are(post: MailHarness, sent: list[UUID]) -> None:
    full, _, bare = sent
    names = MailNames(sends=(full,))
    (mail,), _ = read(post.db, store.lock_mails(names), store.logs_of(names))
    later = {**mail, "id": bare, "resend_id": "em_other"}
    log = {
        "email_send_id": bare,
        "event_type": "complained",
        "event_data": {"reason": "it's late"},
        "occurred_at": MONDAY + timedelta(microseconds=7),
        "event_key": "one",
        "resend_id": "em_other",
        "verdict": "human",
        "verdict_reason": "it's a person",
    }
    written = []
    for statements in ([store.record_mail_event(log, later)], [store.add_logs([log]), store.record_mails([later])]):

        def write(statements: list[Statement] = statements) -> None:
            rows_of(post.db, "delete from email_logs where email_send_id = :id returning id", id=bare)
            post.db.transact(lambda transaction: transaction.finish(statements))

        write()
        line = everything(post.db, "email_logs", "email_send_id", bare)
        written.append((everything(post.db, "email_sends", "id", bare), line | {"id": None, "created_at": None}))
    assert written[0] == written[1]
    assert written[0][0]["human_opens"] == int(MAIL_COLUMNS["human_opens"])


def test_one_enrollment_is_written_as_several_are(post: MailHarness, sent: list[UUID]) -> None:
    people = rows_of(post.db, "select id from campaign_enrollments order by id")
    now = [
        Enrolled(
            row["id"],
            "engaged",
            emails_opened=3,
            emails_clicked=2,
            engagement_score=11,
            first_opened_at=MONDAY,
            first_clicked_at=MONDAY + timedelta(hours=1),
            last_engagement_at=MONDAY + timedelta(hours=2),
            next_step_at=MONDAY + timedelta(hours=3),
            held_for="cap",
            stopped_reason="it's over",
            replied_at=MONDAY + timedelta(hours=4),
            thread_id="t",
        )
        for row in people
    ]
    at = MONDAY + timedelta(days=1)
    writes = [follow_store.record_followers(now[:1], at), follow_store.record_followers(now[1:], at)]
    post.db.transact(lambda transaction: transaction.finish(writes))
    names = [f"it.{name}" for name in vars(now[0]) if name != "id"] + ["it.updated_at"]
    found = rows_of(post.db, f"select distinct {', '.join(names)} from campaign_enrollments it")
    assert len(people) == 3
    assert found == [{name: value for name, value in vars(now[0]).items() if name != "id"} | {"updated_at": at}]
