"""The schema takes every statement that the former version still sends while an installation is upgraded."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import Json, Query, SqlValue, parse_queries
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.mail.mail_harness import MONDAY, MailHarness, enroll
from tests.support.platform.rows import one, rows_of
from tests.support.repository.query_trials import problem_with, trials_of
from tests.support.upgrades.capture import COMMIT, STATEMENTS, statements_of
from tests.support.upgrades.former_version import is_in_history

FORMER = parse_queries(STATEMENTS.read_text(encoding="utf-8"))


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


def test_the_schema_takes_every_statement_of_the_former_version(database: Database) -> None:
    refused = {name: problems for name, query in FORMER.items() if (problems := problems_of(database, query))}
    assert refused == {}


def problems_of(database: Database, query: Query) -> list[str]:
    """None where one of the trials passes."""
    problems = []
    for trial in trials_of(query):
        problem = problem_with(database, trial)
        if problem is None:
            return []
        problems.append(problem)
    return problems[:2]


def test_a_function_that_is_missing_would_be_noticed(database: Database) -> None:
    database.run_script("drop function follow_mail_event(jsonb)")
    assert problems_of(database, FORMER["campaigns_follow_mail_event"]) != []


def test_the_statements_are_those_of_the_history() -> None:
    """Where the history is at hand; else the file is all there is of that version."""
    written = STATEMENTS.read_text(encoding="utf-8")
    assert len(FORMER) > 200
    assert not is_in_history() or statements_of(COMMIT) == written


def former(database: Database, name: str, **values: SqlValue) -> list[Row]:
    return database.run(FORMER[name], **values)


def accepted(post: MailHarness, ids: dict[str, UUID]) -> UUID:
    """A mail that the former version has sent."""
    (send,) = post.queue("ada", **ids)
    batch = one(post.db, "update email_batches set state = 'sending' returning id")["id"]
    rows_of(post.db, "update email_sends set status = 'sending' returning id")
    results = Json([{"id": send, "resend_id": "em_1", "problem": None}])
    (answer,) = former(post.db, "delivery_accept_batch", batch_id=batch, results=results, now=post.now)
    assert answer == {"is_ours": True}
    settled = Json([{"enrollment_id": ids["enrollment_id"], "sequence_id": ids["sequence_id"], "line": "sent"}])
    former(post.db, "campaigns_settle", settled=settled, now=post.now)
    return send


def test_the_former_version_sends_counts_and_follows(post: MailHarness) -> None:
    ids = enroll(post.db, "ada")
    send = accepted(post, ids)
    assert one(post.db, "select status from campaign_sequence_logs")["status"] == "sent"
    for number in range(2):
        (answer,) = former(post.db, "campaigns_follow_mail_event", event=event(send, "opened", number))
        assert answer == {"outcome": "processed"}
    assert former(post.db, "campaigns_follow_mail_event", event=event(send, "opened", 0)) == [{"outcome": "duplicate"}]
    row = one(post.db, "select emails_sent, emails_opened, engagement_score from campaign_enrollments")
    assert row == {"emails_sent": 1, "emails_opened": 2, "engagement_score": 20}


def test_an_opt_out_that_the_former_version_takes_in_ends_the_sequence_once(post: MailHarness) -> None:
    ids = enroll(post.db, "ada")
    accepted(post, ids)
    post.queue("ada", key="second", enrollment_id=ids["enrollment_id"], campaign_id=ids["campaign_id"])
    token = one(post.db, "select unsubscribe_token as token from email_sends where send_key = 'test:ada'")["token"]
    (left,) = former(post.db, "delivery_unsubscribe_reader", token=token, only_topic=False, at=post.now)
    stop: dict[str, Any] = {"org_id": left["org_id"], "address": "ada@example.com", "topic": None}
    for number in (1, 0):
        (answer,) = former(
            post.db, "campaigns_stop_for_address", **stop, status="unsubscribed", reason="opt_out", now=post.now
        )
        assert list(answer.values()) == [number]
    rows = rows_of(post.db, "select status from email_sends order by queued_at, send_key")
    assert sorted(row["status"] for row in rows) == ["refused", "unsubscribed"]


def test_an_erasure_by_the_former_version_leaves_nothing_of_the_person(post: MailHarness) -> None:
    accepted(post, enroll(post.db, "ada"))
    former(post.db, "campaigns_erase_person", addresses=["ada@example.com"], phones=[], now=post.now)
    row = one(post.db, "select status, stopped_reason, address from campaign_enrollments")
    assert row["address"] is None


def event(send: UUID, kind: str, number: int) -> Json:
    return Json(
        {
            "key": f"{kind}-{number}",
            "kind": kind,
            "occurred_at": (MONDAY.replace(minute=5 + number)).isoformat(),
            "email_id": "em_1",
            "send": str(send),
        }
    )
