"""The gates of a start, one by one and in their order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_relay.rules.record_conditions import ConditionGroup, RecordCondition, RecordFacts
from crm_relay.workflows.entities import NEVER_LISTENED, columns_of, may_be_listened_to, topics_of
from crm_relay.workflows.models import (
    EntityEvent,
    EntityType,
    Program,
    ReEntry,
    Trigger,
    TriggerKind,
    WorkflowSettings,
)
from crm_relay.workflows.starting.decisions import after, of_event, of_instance, of_record, take_place
from crm_relay.workflows.starting.models import Instance, NotStarted, Start, StartableVersion, StartRequest
from crm_relay.workflows.starting.scheduled.occurrences import latest_occurrence

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ORG, DEAL = uuid4(), uuid4()
WON = Trigger(TriggerKind.STATUS_CHANGE, becomes="won")
FACTS = RecordFacts({"id": str(DEAL), "org_id": str(ORG), "value": 5})


def version(*triggers: Trigger, conditions: ConditionGroup | None = None, **settings: object) -> StartableVersion:
    program = Program(EntityType.DEAL, triggers or (WON,), (), conditions, WorkflowSettings(**settings))  # type: ignore[arg-type]
    return StartableVersion(uuid4(), 1, ORG, "deal", NOW - timedelta(days=1), program)


def event(kind: str = "changed", topic: str = "status", **parts: object) -> EntityEvent:
    changed = {} if kind == "event" else {"status": ("open", "won")}
    given_parts: dict[str, object] = {"changed": changed, "occurred_at": NOW} | parts
    return EntityEvent(7, ORG, "deal", DEAL, kind, topic, **given_parts)  # type: ignore[arg-type]


def reason(judged: StartRequest | NotStarted | None) -> str | None:
    return judged.reason if isinstance(judged, NotStarted) else None


def test_the_first_gate_that_refuses_is_the_one_that_is_kept() -> None:
    late = event(occurred_at=NOW - timedelta(days=2), origin="import", depth=99)
    assert reason(of_event(version(), late)) == "before_publication"
    assert reason(of_event(version(), event(origin="import", depth=99))) == "origin"
    assert reason(of_event(version(origins=frozenset({"import"})), event(origin="import", depth=99))) == "depth"
    assert reason(of_event(version(), event(origin="api", depth=5))) is None
    lost = event(changed={"status": ("open", "lost")}, origin="import", depth=99)
    assert reason(of_event(version(), lost)) == "trigger"


def test_a_version_that_cannot_be_read_says_so() -> None:
    assert reason(of_event(replace(version(), program=None), event())) == "unreadable"


def test_an_event_about_something_else_is_no_decision() -> None:
    assert of_event(version(), event(changed={"value": (1, 2)})) is None
    assert of_event(version(), event("event", "event:form")) is None
    assert (
        of_event(version(Trigger(TriggerKind.MANUAL), Trigger(TriggerKind.SCHEDULED, cron="* * * * *")), event())
        is None
    )


MATCHES = [
    (WON, event(), True),
    (WON, event("created", "+", changed={"status": (None, "won")}), True),
    (WON, event("created", "+", changed={"status": (None, "open")}), False),
    (replace(WON, was="open"), event(), True),
    (replace(WON, was="lost"), event(), False),
    (replace(WON, was="open"), event("created", "+", changed={"status": (None, "won")}), False),
    (Trigger(TriggerKind.STATUS_CHANGE), event(), True),
    (Trigger(TriggerKind.STATUS_CHANGE), event("created", "+", changed={"status": (None, "open")}), False),
    (Trigger(TriggerKind.STATUS_CHANGE, column="stage", becomes="won"), event(), False),
    (Trigger(TriggerKind.STATUS_CHANGE, becomes="won"), event(changed={"stage": ("new", "won")}), True),
    (Trigger(TriggerKind.FIELD_CHANGE, column="value"), event(changed={"value": (1, None)}), True),
    (Trigger(TriggerKind.FIELD_CHANGE, column="value", becomes="7"), event(changed={"value": (1, 7.0)}), True),
    (Trigger(TriggerKind.FIELD_CHANGE, column="value", becomes="7"), event(changed={"value": (7, 8)}), False),
    (Trigger(TriggerKind.FIELD_CHANGE, column="value"), event("created", "+", changed={"value": (None, 1)}), False),
    (Trigger(TriggerKind.FIELD_CHANGE), event(), False),
    (Trigger(TriggerKind.CREATED), event("created", "+", changed={}), True),
    (Trigger(TriggerKind.CREATED), event(), False),
    (Trigger(TriggerKind.EVENT, event="form"), event("event", "event:form"), True),
    (Trigger(TriggerKind.EVENT, event="form"), event("event", "event:other"), False),
]


@pytest.mark.parametrize(("trigger", "happened", "starts"), MATCHES)
def test_each_trigger(trigger: Trigger, happened: EntityEvent, *, starts: bool) -> None:
    assert isinstance(of_event(version(trigger), happened), StartRequest) == starts


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (None, "record_gone"),
        ({"org_id": str(ORG), "deleted_at": "2026-01-01"}, "record_gone"),
        ({"org_id": str(uuid4()), "value": 5}, "record_gone"),
        ({"org_id": str(ORG), "value": 4}, "conditions"),
        ({"org_id": str(ORG), "value": 5}, None),
    ],
)
def test_the_record_and_its_conditions(record: dict[str, object] | None, expected: str | None) -> None:
    rules = ConditionGroup("all", (RecordCondition("value", "gte", 5),))
    request = of_event(version(conditions=rules), event())
    assert isinstance(request, StartRequest)
    assert reason(of_record(request, RecordFacts(record))) == expected


def decide(instance: Instance, **settings: object) -> Start | NotStarted:
    request = of_event(version(**settings), event())  # type: ignore[arg-type]
    assert isinstance(request, StartRequest)
    return of_instance(request, instance, UUID(int=1), NOW)


def test_a_cool_down_comes_before_the_runs_that_are_open() -> None:
    busy = Instance(uuid4(), NOW - timedelta(minutes=59), (uuid4(),))
    refused = decide(busy, cool_down=timedelta(hours=1))
    assert isinstance(refused, NotStarted)
    assert (refused.reason, refused.explanation[0]["actual"]) == ("cool_down", busy.last_started_at)
    again = decide(replace(busy, last_started_at=NOW - timedelta(hours=1)), cool_down=timedelta(hours=1))
    assert isinstance(again, NotStarted)
    assert again.reason == "re_entry"


def test_what_the_next_start_of_a_batch_meets() -> None:
    run = uuid4()
    instance = Instance(uuid4(), None, (run,))
    restart = decide(instance, re_entry=ReEntry.RESTART)
    assert isinstance(restart, Start)
    assert (restart.restarts, restart.begins_again) == ((run,), True)
    assert after(instance, restart, NOW) == Instance(instance.id, NOW, (UUID(int=1),))
    queued = decide(instance, re_entry=ReEntry.QUEUE)
    assert isinstance(queued, Start)
    assert queued.at is None
    assert after(instance, queued, NOW).open_runs == (run, UUID(int=1))
    assert after(instance, decide(instance), NOW) == instance


@given(per_minute=st.integers(1, 1000), pauses=st.lists(st.floats(0, 90), max_size=60))
def test_no_minute_has_twice_what_the_bucket_holds_and_no_start_is_early(per_minute: int, pauses: list[float]) -> None:
    now = free = NOW
    began = []
    for pause in pauses:
        now += timedelta(seconds=pause)
        at, free = take_place(free, per_minute, now)
        assert at >= now
        began.append(at)
    for each in began:
        inside = [other for other in began if each <= other < each + timedelta(minutes=1)]
        assert len(inside) <= 2 * per_minute


def test_a_bucket_empties_and_fills() -> None:
    free, times = NOW, []
    for _ in range(5):
        at, free = take_place(free, 2, NOW)
        times.append((at - NOW).seconds)
    assert times == [0, 0, 30, 60, 90]
    at, _ = take_place(free, 2, NOW + timedelta(hours=1))
    assert at == NOW + timedelta(hours=1)


def test_topics_and_columns_stand_in_one_table() -> None:
    assert topics_of(EntityType.DEAL, WON) == columns_of(EntityType.DEAL, WON) == ("status", "stage")
    assert topics_of(EntityType.JOB, WON) == ("status",)
    assert topics_of(EntityType.DEAL, Trigger(TriggerKind.FIELD_CHANGE, column="value")) == ("value",)
    assert topics_of(EntityType.DEAL, Trigger(TriggerKind.CREATED)) == ("+",)
    assert topics_of(EntityType.DEAL, Trigger(TriggerKind.EVENT, event="replied")) == ("event:replied",)
    assert topics_of(EntityType.DEAL, Trigger(TriggerKind.MANUAL)) == ()
    assert may_be_listened_to("value")
    assert not any(map(may_be_listened_to, NEVER_LISTENED))


def test_a_schedule_that_was_never_missed_is_due_when_it_is_due() -> None:
    yearly = Trigger(TriggerKind.SCHEDULED, cron="0 9 1 1 *")
    assert latest_occurrence(yearly, NOW, NOW + timedelta(days=3)) == NOW
    assert latest_occurrence(yearly, NOW, NOW + timedelta(days=800)) == datetime(2029, 1, 1, 9, tzinfo=UTC)
