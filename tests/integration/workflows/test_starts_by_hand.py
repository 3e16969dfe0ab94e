"""Somebody asks for a start: the gates are the same, and a key makes the request safe to repeat."""

import threading
from uuid import uuid4

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.models import EntityType, ReEntry, TriggerKind
from crm_relay.workflows.starting.by_hand import StartAnswer, StartedBy, start_entity
from tests.support.processes.meanwhile import MeanwhileBefore
from tests.support.workflows.start_stage import StartStage, trigger, where

MANUAL = trigger(TriggerKind.MANUAL)


@pytest.fixture
def stage(database: Database, database_url: str) -> StartStage:
    return StartStage(database, database_url)


def test_an_operator_starts_a_run(stage: StartStage) -> None:
    ada = stage.add("user_profiles", email="ada@example.com")
    workflow, deal = stage.publish(MANUAL), stage.deal()
    answer = start_entity(stage.db, workflow, (EntityType.DEAL, deal), StartedBy(user_id=ada, name="cli"), stage.clock)
    (run,) = stage.runs()
    assert answer == StartAnswer("started", run["id"], next_run_at=stage.now)
    assert (run["trigger_type"], run["triggered_by"], run["trigger_event"]) == (
        "manual",
        ada,
        {"kind": "manual", "by": "cli"},
    )
    assert run["start_key"].startswith("manual:")
    assert stage.reasons() == [("started", None)]


def test_a_request_with_a_key_starts_one_run_for_ever(stage: StartStage) -> None:
    workflow, deal = stage.publish(MANUAL, re_entry=ReEntry.PARALLEL), stage.deal()
    who = StartedBy(key="order-7")
    first = start_entity(stage.db, workflow, (EntityType.DEAL, deal), who, stage.clock)
    again = start_entity(stage.db, workflow, (EntityType.DEAL, deal), who, stage.clock)
    assert again == StartAnswer("known", first.execution_id)
    (run,) = stage.runs()
    assert (run["start_key"], run["trigger_type"]) == ("api:order-7", "api")
    assert len(stage.decisions()) == 1
    other = start_entity(stage.db, workflow, (EntityType.DEAL, deal), StartedBy(key="order-8"), stage.clock)
    assert other.verdict == "started"


def test_two_requests_with_one_key_at_once(stage: StartStage) -> None:
    workflow, deal = stage.publish(MANUAL, re_entry=ReEntry.PARALLEL), stage.deal()
    answers: list[StartAnswer] = []

    def ask() -> None:
        database = Database(stage.url)
        answers.append(start_entity(database, workflow, (EntityType.DEAL, deal), StartedBy(key="k"), stage.clock))
        database.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(each.verdict for each in answers) == ["known"] * 5 + ["started"]
    assert len({each.execution_id for each in answers}) == 1
    assert len(stage.runs()) == 1


def test_a_request_that_finds_the_run_of_another_one_behind_the_lock(stage: StartStage) -> None:
    workflow, deal = stage.publish(MANUAL, re_entry=ReEntry.PARALLEL), stage.deal()
    others: list[StartAnswer] = []

    def ask(database: Database) -> StartAnswer:
        return start_entity(database, workflow, (EntityType.DEAL, deal), StartedBy(key="k"), stage.clock)

    database = MeanwhileBefore(stage.url, "insert into workflow_instances", lambda other: others.append(ask(other)))
    answer = ask(database)
    database.join()
    database.close()

    (first,) = others
    assert first.verdict == "started"
    assert answer == StartAnswer("known", first.execution_id)
    assert len(stage.runs()) == 1


def test_the_gates_are_asked_here_too(stage: StartStage) -> None:
    workflow = stage.publish(MANUAL, conditions=where(("value", "gte", 10)))
    poor, rich = stage.deal(value=1), stage.deal(value=10)
    refused = start_entity(stage.db, workflow, (EntityType.DEAL, poor), StartedBy(), stage.clock)
    assert (refused.verdict, refused.reason, refused.explanation[0]["actual"]) == ("not_started", "conditions", 1.0)
    gone = start_entity(stage.db, workflow, (EntityType.DEAL, uuid4()), StartedBy(), stage.clock)
    assert gone.reason == "record_gone"
    assert start_entity(stage.db, workflow, (EntityType.DEAL, rich), StartedBy(), stage.clock).verdict == "started"
    assert start_entity(stage.db, workflow, (EntityType.DEAL, rich), StartedBy(), stage.clock).reason == "re_entry"
    assert len(stage.decisions()) == 4


def test_a_queued_start_says_so(stage: StartStage) -> None:
    workflow, deal = stage.publish(MANUAL, re_entry=ReEntry.QUEUE), stage.deal()
    answers = [start_entity(stage.db, workflow, (EntityType.DEAL, deal), StartedBy(), stage.clock) for _ in range(2)]
    assert [(each.verdict, each.next_run_at) for each in answers] == [("started", stage.now), ("queued", None)]


def test_a_workflow_that_cannot_be_started(stage: StartStage) -> None:
    workflow, deal = stage.publish(MANUAL), stage.deal()
    mine = StartedBy(org_id=stage.org)
    assert start_entity(stage.db, workflow, (EntityType.DEAL, deal), mine, stage.clock).verdict == "started"
    for wanted, entity, who, status in (
        (uuid4(), EntityType.DEAL, StartedBy(), 404),
        (workflow, EntityType.DEAL, StartedBy(org_id=stage.other_org()), 404),
        (workflow, EntityType.CONTACT, StartedBy(), 409),
        (workflow, EntityType.DEAL, StartedBy(key=""), 422),
    ):
        with pytest.raises(RejectedInput) as refused:
            start_entity(stage.db, wanted, (entity, deal), who, stage.clock)
        assert refused.value.status == status
