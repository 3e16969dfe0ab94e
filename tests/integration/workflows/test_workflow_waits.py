"""Each kind of wait, and what ends it."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from crm_relay.workflows.engine.sweeps import repair_runs, wake_waiting
from crm_relay.workflows.models import ConditionGroup, RecordCondition
from tests.support.workflows.run_harness import RunHarness, chain, step

DONE = step("create_activity", subject="done")


def test_a_span_ends_when_it_is_over_and_the_record_is_read_again(runs: RunHarness) -> None:
    deal = runs.deal()
    run = runs.run(chain(step("wait", days=3, hours=2), step("create_activity", subject="{{deal.name}}")), deal)

    runs.tick()
    assert (runs.status(run), runs.steps(run)) == ("running", [("0", "waiting")])
    assert runs.execution(run)["waits_for"] == "time"
    runs.rows("update deals set name = 'Renamed' returning id")
    runs.wait(days=3)
    runs.tick()
    assert runs.activities() == []
    runs.wait(hours=2)
    runs.tick()

    assert [row["subject"] for row in runs.activities()] == ["Renamed"]
    assert runs.steps(run) == [("0", "completed"), ("1", "completed")]


def test_a_wait_until_a_point_in_time_that_is_past_is_over_at_once(runs: RunHarness) -> None:
    run = runs.run(chain(step("wait", until="2026-01-01"), DONE))

    runs.tick()

    assert runs.status(run) == "completed"


def test_days_before_a_field_follow_the_field_when_it_moves(runs: RunHarness) -> None:
    deal = runs.deal(expected_close_date=date(2026, 12, 18))
    run = runs.run(chain(step("wait", before_field="expected_close_date", days_before=3, at="09:00"), DONE), deal)
    runs.tick()
    assert runs.one("select wait_until from workflow_steps")["wait_until"] == datetime(2026, 12, 15, 9, tzinfo=UTC)

    runs.rows("update deals set expected_close_date = '2026-11-22' returning id")
    runs.wait(hours=6)
    runs.tick()
    assert runs.one("select wait_until from workflow_steps")["wait_until"] == datetime(2026, 11, 19, 9, tzinfo=UTC)
    runs.wait(hours=12)
    runs.tick()

    assert runs.status(run) == "completed"


def test_a_field_without_a_date_fails_the_run(runs: RunHarness) -> None:
    run = runs.run(chain(step("wait", before_field="expected_close_date", days_before=3), DONE))

    runs.tick()

    assert (runs.status(run), runs.activities()) == ("failed", [])


def test_business_hours_begin_the_next_morning_on_the_owners_clock(runs: RunHarness) -> None:
    owner = runs.person(timezone="Europe/Paris")
    runs.time[0] = datetime(2026, 11, 20, 17, tzinfo=UTC)  # a Friday, 18:00 in Paris
    run = runs.run(chain(step("wait", business_hours=True), DONE), runs.deal(owner_id=owner))

    runs.tick()

    assert runs.execution(run)["next_run_at"] == datetime(2026, 11, 23, 8, tzinfo=UTC)


def _reply(runs: RunHarness, at: datetime, *, is_auto_reply: bool = False) -> None:
    runs.insert(
        "inbox_items", source="bison", external_id=str(at), from_address="Ada@Example.com", received_at=at,
        is_auto_reply=is_auto_reply,
    )  # fmt: skip


WAIT = step("wait", until_event="replied", days=2)


def _event(runs: RunHarness, contact: UUID, topic: str = "event:replied", entity_type: str = "contact") -> None:
    runs.rows(
        "insert into entity_events (org_id, entity_type, entity_id, kind, topic, occurred_at)"
        " values (:org, :type, :id, 'event', :topic, :now) returning id",
        org=runs.org, type=entity_type, id=contact, topic=topic, now=runs.now,
    )  # fmt: skip


def _waiting(runs: RunHarness) -> tuple[UUID, UUID]:
    ada = runs.contact()
    program = chain(WAIT, step("create_activity", subject="replied"), step("create_activity", subject="silent"))
    wait, replied, silent = program.steps
    steps = (replace(wait, next=1, otherwise=2, branches=True), replace(replied, next=None), replace(silent, next=None))
    return runs.run(replace(program, steps=steps), runs.deal(lead_contact_id=ada)), ada


@pytest.mark.parametrize("is_auto_reply", [False, True])
def test_a_reply_that_came_before_the_wait_began_counts(runs: RunHarness, *, is_auto_reply: bool) -> None:
    run, _ = _waiting(runs)
    runs.wait(minutes=5)
    _reply(runs, runs.now, is_auto_reply=is_auto_reply)
    runs.wait(minutes=5)

    runs.tick()

    assert [row["subject"] for row in runs.activities()] == ([] if is_auto_reply else ["replied"])
    assert runs.status(run) == ("running" if is_auto_reply else "completed")


def test_a_reply_from_before_the_run_does_not_count(runs: RunHarness) -> None:
    _reply(runs, runs.now)
    runs.wait(minutes=1)
    _waiting(runs)

    runs.tick()

    assert runs.activities() == []


def test_an_event_counts_though_the_clock_of_the_worker_was_ahead(runs: RunHarness) -> None:
    run, ada = _waiting(runs)
    runs.wait(seconds=2)
    runs.tick()
    runs.wait(seconds=-1)
    _reply(runs, runs.now)
    _event(runs, ada)

    assert wake_waiting(runs.db, runs.now) == 1
    runs.tick()

    assert runs.status(run) == "completed"


def test_an_event_wakes_the_run_that_waits_for_it(runs: RunHarness) -> None:
    run, ada = _waiting(runs)
    runs.tick()
    assert runs.execution(run)["waits_for_id"] == ada
    runs.wait(hours=3)
    _reply(runs, runs.now)
    _event(runs, ada)

    assert wake_waiting(runs.db, runs.now) == 1
    runs.tick()

    assert [row["subject"] for row in runs.activities()] == ["replied"]
    assert runs.results(run)[0]["event"] == "replied"


def test_an_event_that_was_missed_is_found_by_the_repair(runs: RunHarness) -> None:
    _, ada = _waiting(runs)
    runs.tick()
    runs.wait(hours=3)
    _reply(runs, runs.now)
    _event(runs, ada)
    runs.wait(hours=1)

    assert wake_waiting(runs.db, runs.now) == 0
    assert repair_runs(runs.db, runs.now).happened == 1
    runs.tick()

    assert [row["subject"] for row in runs.activities()] == ["replied"]


def test_silence_ends_at_the_time_out(runs: RunHarness) -> None:
    run, _ = _waiting(runs)
    runs.tick()
    runs.wait(days=2)

    runs.tick()

    assert [row["subject"] for row in runs.activities()] == ["silent"]
    assert runs.results(run)[0] == {"event": None}


@pytest.mark.parametrize("kind", ["hard_bounce", "opt_out"])
def test_a_bounce_and_an_opt_out_are_found_in_the_ledger(runs: RunHarness, kind: str) -> None:
    ada = runs.contact()
    event = {"hard_bounce": "bounced", "opt_out": "unsubscribed"}[kind]
    run = runs.run(chain(step("wait", until_event=event, days=2), DONE), runs.deal(lead_contact_id=ada))
    runs.rows(
        "insert into consent_events (org_id, channel, address, kind, source, occurred_at)"
        " values (:org, 'email', 'ada@example.com', :kind, 'test', :now) returning id",
        org=runs.org, kind=kind, now=runs.now,
    )  # fmt: skip

    runs.tick()

    assert runs.status(run) == "completed"


def test_a_named_event_is_about_the_record(runs: RunHarness) -> None:
    deal = runs.deal()
    run = runs.run(chain(step("wait", until_event="contract_signed", days=30), DONE), deal)
    runs.tick()
    _event(runs, deal, "event:contract_signed", "deal")

    assert wake_waiting(runs.db, runs.now) == 1
    runs.tick()

    assert runs.status(run) == "completed"


def test_conditions_are_asked_again_behind_a_wait(runs: RunHarness) -> None:
    deal = runs.deal(status="open")
    program = chain(step("wait", hours=1), step("create_task", title="only while open"), DONE)
    wait, task, done = program.steps
    still_open = ConditionGroup("all", (RecordCondition("status", "eq", "open"),))
    run = runs.run(replace(program, steps=(wait, replace(task, ask_again=still_open), done)), deal)
    runs.tick()
    runs.rows("update deals set status = 'won' returning id")
    runs.wait(hours=1)

    runs.tick()

    assert runs.steps(run) == [("0", "completed"), ("1", "skipped"), ("2", "completed")]
    assert runs.results(run)[1]["explanation"][0]["actual"] == "won"
