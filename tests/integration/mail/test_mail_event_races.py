"""Deliveries that arrive at the same moment: each waits for the rows that the other has locked, and loses nothing."""

import random
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.engine.stop import stop_for_address
from crm_relay.mail.feedback.accept_answer import accept_answer
from crm_relay.platform.database import Database, Row
from crm_relay.providers.email_events import Event
from crm_relay.sources.resend import RESEND
from crm_relay.webhooks.receive import apply_once, apply_together
from crm_relay.webhooks.source import Received
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.mail.mail_events import apply, click, delivered, email_event, state_of
from tests.support.mail.mail_harness import MONDAY, MailHarness, enroll
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import one, rows_of
from tests.support.processes.meanwhile import MeanwhileBefore

WRITES = "commit"
"""The last message of a delivery; the one before it has locked and read."""


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


def sent_mail(post: MailHarness, name: str = "ada", **details: Any) -> tuple[UUID, str]:
    (send,) = post.queue(name, **details)
    post.send()
    return send, post.simulator.mails[-1].id


def opened(send: UUID, email_id: str, seconds: float = 60) -> Received[Event]:
    return delivered(email_event("opened", seconds, f"open-{send}-{seconds}"), send, email_id)


def deliver_during(post: MailHarness, url: str, first: Received[Event], act: Callable[[Database], object]) -> None:
    """`act` begins between the two messages of the first delivery."""
    database = MeanwhileBefore(url, WRITES, act)
    try:
        apply_once(database, RESEND, first)
        database.join()
    finally:
        database.close()


def enrollment(post: MailHarness) -> Row:
    return one(post.db, "select * from campaign_enrollments")


def test_two_deliveries_of_one_mail_at_once_both_count(post: MailHarness, database_url: str) -> None:
    send, email_id = sent_mail(post)
    later = opened(send, email_id, 90)
    deliver_during(post, database_url, opened(send, email_id), lambda db: apply_once(db, RESEND, later))
    assert state_of(post.db, send).opened_count == 2


def test_opens_of_two_mails_of_one_enrollment_at_once_both_count(post: MailHarness, database_url: str) -> None:
    ids = enroll(post.db, "ada")
    one_mail = sent_mail(post, "ada", key="first", **ids)
    other = sent_mail(post, key="second", enrollment_id=ids["enrollment_id"], campaign_id=ids["campaign_id"])
    deliver_during(post, database_url, opened(*one_mail), lambda db: apply_once(db, RESEND, opened(*other)))
    row = enrollment(post)
    assert (row["emails_opened"], row["engagement_score"], row["status"]) == (2, 20, "engaged")


def test_an_open_beside_the_stop_of_its_sequence_counts_and_the_stop_stays(
    post: MailHarness, database_url: str
) -> None:
    ids = enroll(post.db, "ada")
    mail = sent_mail(post, "ada", **ids)
    deliver_during(
        post,
        database_url,
        opened(*mail),
        lambda db: stop_for_address(db, None, "ada@example.com", None, "complaint", MONDAY),
    )
    row = enrollment(post)
    assert (row["status"], row["stopped_reason"], row["emails_opened"]) == ("unsubscribed", "complaint", 1)


def test_an_event_without_our_tag_beside_the_answer_that_brings_its_id_is_not_lost(
    post: MailHarness, database_url: str
) -> None:
    (send,) = post.queue("ada")
    answers: list[str] = []

    def event_arrives(database: Database) -> None:
        email_id = post.simulator.mail_to("ada@example.com").id
        answers.extend(apply(database, [email_event("opened", 60)], send, email_id, tagged=False))

    # Between the lock of the mails, with the look for events that wait, and the commit of their ids.
    database = MeanwhileBefore(database_url, "now.resend_id", event_arrives)
    try:
        post.send(post.send_context(database))
        database.join()
    finally:
        database.close()
    assert answers == ["processed"]
    assert (post.rows()["ada"]["status"], post.rows()["ada"]["opened_count"]) == ("opened", 1)


def test_an_event_without_our_tag_that_waits_is_found_by_the_answer(post: MailHarness, database_url: str) -> None:
    (send,) = post.queue("ada")
    first = delivered(email_event("opened", 60), None, "em_of_the_answer")
    database = MeanwhileBefore(database_url, "insert into email_logs", lambda db: accept(post, db, send))
    try:
        apply_once(database, RESEND, first)
        database.join()
    finally:
        database.close()
    assert (post.rows()["ada"]["status"], post.rows()["ada"]["opened_count"]) == ("opened", 1)


@pytest.mark.parametrize(
    ("kind", "details", "recorded"),
    [("complained", {}, "complaint"), ("bounced", {"bounce_type": "permanent"}, "hard_bounce"), ("opened", {}, None)],
)
def test_who_leaves_by_an_event_that_waits_and_names_nobody_is_in_the_ledger_once_its_mail_is_found(
    post: MailHarness, kind: str, details: dict[str, Any], recorded: str | None
) -> None:
    (send,) = post.queue("ada")
    event = delivered(email_event(kind, 60, **details), None, "em_of_the_answer", "one@example.com", "two@example.com")
    apply_once(post.db, RESEND, event)
    assert rows_of(post.db, "select from consent_events") == []
    accept(post, post.db, send)
    rows = rows_of(post.db, "select address, kind, source from consent_events")
    address = one(post.db, "select address from email_sends")["address"]
    expected = {"address": address, "kind": recorded, "source": "resend"}
    assert rows == ([] if recorded is None else [expected])


def accept(post: MailHarness, database: Database, send: UUID) -> None:
    """The answer to a batch, recorded by itself."""
    (batch,) = rows_of(database, "update email_batches set state = 'sending' returning id, generation")
    rows_of(database, "update email_sends set status = 'sending'")
    result = {"id": send, "resend_id": "em_of_the_answer", "problem": None}

    def work(tx: Any) -> None:
        accepted = accept_answer(tx, batch["id"], batch["generation"], [result], MONDAY, provider="resend")
        assert accepted is not None
        tx.finish(accepted.writes)

    database.transact(work)


# --- two messages, and many deliveries in one transaction -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["delivered", "opened", "clicked", "bounced", "complained"])
def test_a_delivery_costs_two_round_trips(post: MailHarness, database_url: str, kind: str) -> None:
    ids = enroll(post.db, "ada")
    send, email_id = sent_mail(post, "ada", **ids)
    rows_of(post.db, "update campaign_sequence_logs set status = 'sent'")
    bounce = {"bounce_type": "permanent"} if kind == "bounced" else {}
    with CountingProxy(database_url) as proxy:
        database = Database(proxy.url)
        rows_of(database, "select 1")
        proxy.forget()
        apply_once(database, RESEND, delivered(email_event(kind, 60, **bounce), send, email_id))
        database.close()
    assert len(proxy.queries) == 2, proxy.queries


def tables(post: MailHarness) -> dict[str, list[Row]]:
    """All that a log of events leaves, without ids and times of writing; a batch proves its mails at one moment."""
    left = {
        "email_sends": "send_key",
        "email_logs": "event_key",
        "campaign_enrollments": "address",
        "campaign_sequence_logs": "campaign_id",
        "consent_events": "address, kind, source_event",
    }
    blind = {"id", "created_at", "updated_at", "recorded_at"}
    moment = {"campaign_enrollments": {"last_step_at"}, "campaign_sequence_logs": {"sent_at"}}
    return {
        table: [
            {name: value for name, value in row.items() if name not in blind | moment.get(table, set())}
            for row in rows_of(post.db, f"select * from {table} order by {order}")
        ]
        for table, order in left.items()
    }


def forget(post: MailHarness) -> None:
    rows_of(post.db, "delete from webhook_inbox")
    rows_of(post.db, "delete from email_logs")
    rows_of(post.db, "select set_config('app.erasure', 'on', false)")
    rows_of(post.db, "delete from consent_events")


@pytest.mark.parametrize("seed", range(6))
def test_a_log_applied_in_one_transaction_leaves_what_one_by_one_leaves(post: MailHarness, seed: int) -> None:
    chance = random.Random(seed)
    mails = [sent_mail(post, name, key=name, **enroll(post.db, name)) for name in ("ada", "bob", "cyd")]
    post.db.run_script("create table before as select * from email_sends")
    post.db.run_script("create table enrolled_before as select * from campaign_enrollments")
    post.db.run_script("create table lines_before as select * from campaign_sequence_logs")
    events = []
    for number in range(30):
        send, email_id = chance.choice(mails)
        event = chance.choice(
            [
                email_event("opened", 30 + number, f"e{number}"),
                email_event("delivered", number, f"e{number}"),
                email_event("bounced", number, f"e{number}", bounce_type=chance.choice(["permanent", "transient"])),
                email_event("complained", 500 + number, f"e{number}"),
                click(100 + number),
            ]
        )
        events.append(delivered(event, send, email_id))
    for each in events:
        apply_once(post.db, RESEND, each)
    wanted = tables(post)
    forget(post)
    restore(post)
    apply_together(post.db, RESEND, events)
    assert tables(post) == wanted


def restore(post: MailHarness) -> None:
    """Mails and enrollments as they were before the log."""
    kept_in = {
        "email_sends": "before",
        "campaign_enrollments": "enrolled_before",
        "campaign_sequence_logs": "lines_before",
    }
    for table, kept in kept_in.items():
        columns = rows_of(
            post.db,
            """select column_name from information_schema.columns
               where table_schema = 'public' and table_name = :table and is_generated = 'NEVER'
                   and column_name not in ('id', 'provider_message_id')""",
            table=table,
        )
        names = [row["column_name"] for row in columns]
        sets = ", ".join(f"{name} = kept.{name}" for name in names)
        post.db.run_script(f"update {table} now set {sets} from {kept} kept where kept.id = now.id")


def test_an_event_that_proves_a_lost_answer_settles_the_step_and_completes_the_sequence(post: MailHarness) -> None:
    send, email_id = unanswered(post)
    assert apply(post.db, [email_event("delivered", 20)], send, email_id) == ["processed"]
    row = enrollment(post)
    assert (row["status"], row["emails_sent"], row["next_step_at"]) == ("completed", 1, None)
    assert one(post.db, "select status from campaign_sequence_logs")["status"] == "sent"


def test_a_bounce_that_proves_a_lost_answer_ends_the_sequence_as_bounced(post: MailHarness) -> None:
    send, email_id = unanswered(post)
    bounced = email_event("bounced", 20, bounce_type="permanent")
    assert apply(post.db, [bounced], send, email_id) == ["processed"]
    row = enrollment(post)
    assert (row["status"], row["stopped_reason"], row["emails_sent"]) == ("bounced", "hard_bounce", 1)
    assert row["completed_at"] is None


def unanswered(post: MailHarness) -> tuple[UUID, str]:
    """A mail that the provider has taken while its answer was lost."""
    ids = enroll(post.db, "ada")
    rows_of(post.db, "update campaign_enrollments set current_step = 1, next_step_at = null")
    post.simulator.fault("500_after")
    (send,) = post.queue("ada", **ids)
    post.send()
    return send, post.simulator.mail_to("ada@example.com").id
