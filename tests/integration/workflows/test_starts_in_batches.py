"""Many events at once: fair, at a constant number of statements, and one that cannot be worked on stops only itself."""

from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from crm_relay.platform.sql import Json
from crm_relay.workflows.models import TriggerKind
from crm_relay.workflows.starting import start_runs as starting
from crm_relay.workflows.starting import store
from crm_relay.workflows.starting.refused import TRIED_AGAIN, close_recovered_starts
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.workflows.start_stage import CREATED, StartStage, trigger

MANY = "insert into deals (org_id, name) select :org, 'd' from generate_series(1, cast(:number as integer))"
REFUSE = """
    create function refuse() returns trigger language plpgsql as $$
    begin
        if exists (select from deals where id = new.entity_id and name = 'poison') then
            raise 'no' using errcode = '23514';
        end if;
        return new;
    end $$;
    create trigger refuse before insert on workflow_executions for each row execute function refuse()
"""


@pytest.fixture
def stage(database: Database, database_url: str) -> StartStage:
    return StartStage(database, database_url)


def statements(messages: list[str]) -> list[int]:
    """Of each message, begin and commit left out."""
    return [message.count("\n; ") + 1 - message.endswith("commit") for message in messages]


@pytest.mark.parametrize("number", [2, 100])
def test_a_batch_costs_the_same_whatever_its_size(stage: StartStage, number: int) -> None:
    stage.publish(CREATED)
    stage.deal()
    stage.start()
    stage.execute(MANY, org=stage.org, number=number)
    with CountingProxy(stage.url) as proxy:
        database = Database(proxy.url)
        database.run_script("select 1")
        proxy.forget()
        assert stage.start(db=database).started == number
        batch = list(proxy.queries)
        proxy.forget()
        assert stage.start(db=database).started == 0
        idle = list(proxy.queries)
        database.close()
    # Claim; versions; records; instances, their runs and paces; the record. Then a look that finds nothing.
    assert statements(batch) == [1, 1, 1, 3, 1, 1, 0]
    assert statements(idle) == [1, 0]


def test_a_hundred_thousand_events_of_one_workflow_hold_up_no_ten_of_another(
    stage: StartStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "BATCH", 100)
    busy = stage.publish(trigger(TriggerKind.FIELD_CHANGE, column="value"))
    calm = stage.publish(trigger(TriggerKind.FIELD_CHANGE, column="currency"))
    small = stage.other_org()
    other = stage.publish(CREATED, org=small)
    stage.db.run_script("alter table deals disable trigger workflow_created")
    stage.execute(MANY, org=stage.org, number=2000)
    stage.execute("update deals set value = 1")
    # A hundred thousand events of one line.
    stage.execute(
        """insert into entity_events (org_id, entity_type, entity_id, kind, topic, changed)
           select org_id, entity_type, entity_id, kind, topic, changed
           from entity_events cross join generate_series(1, 49)"""
    )
    stage.db.run_script("alter table deals enable trigger workflow_created")
    stage.execute("update deals set currency = 'EUR' where id in (select id from deals limit 10)")
    stage.execute(MANY, org=small, number=10)
    assert stage.waiting_events() == 100_020
    handled = one_batch(stage)
    assert (handled[calm], handled[other]) == (10, 10), "the ten others have their turn in the first batch"
    assert 30 <= handled[busy] <= 90


def one_batch(stage: StartStage) -> dict[UUID, int]:
    """Workflow -> how many starts the first batch decided."""
    # The deadline allows one batch.
    starter = starting._Starter(stage.db, stage.programs, stage.clock, Deadline.after(600))
    starter._take()
    rows = stage.execute("select workflow_id, count(*)::integer as number from workflow_start_decisions group by 1")
    return {row["workflow_id"]: row["number"] for row in rows}


def test_a_poisoned_record_among_a_hundred_stops_nobody(stage: StartStage) -> None:
    stage.publish()
    for number in range(100):
        stage.won_deal(name="poison" if number == 41 else "d")
    stage.db.run_script(REFUSE)
    done = stage.start()
    assert (done.started, done.failed, done.is_finished) == (99, 1, True)
    (waiting,) = [row for row in stage.events() if row["handled_at"] is None and row["kind"] == "changed"]
    assert (waiting["attempts"], waiting["not_before"]) == (1, stage.now + TRIED_AGAIN[0])
    assert stage.incidents() == [("workflow_start_refused", str(waiting["id"]))]
    assert stage.start().events == 0, "it waits for its time"
    stage.db.run_script("drop trigger refuse on workflow_executions")
    stage.wait(minutes=2)
    assert (stage.start().started, close_recovered_starts(stage.db, stage.now), stage.incidents()) == (1, 1, [])


def test_what_fails_for_ever_is_given_up_with_its_reason(stage: StartStage) -> None:
    workflow = stage.publish()
    stage.won_deal(name="poison")
    stage.start()
    stage.execute("delete from workflow_executions")
    stage.db.run_script(REFUSE)
    stage.won_deal(name="poison")
    for number in range(len(TRIED_AGAIN) + 1):
        assert stage.start().failed == 1, number
        stage.wait(hours=3)
    assert (stage.start().events, stage.waiting_events()) == (0, 0)
    assert stage.reasons(workflow)[-1] == ("not_started", "failed")
    assert close_recovered_starts(stage.db, stage.now) == 0
    assert len(stage.incidents()) == 1


def test_what_stops_everybody_is_nobodys_fault(stage: StartStage) -> None:
    stage.publish()
    for _ in range(20):
        stage.won_deal()
    stage.db.run_script("alter table workflow_executions rename to gone")
    with pytest.raises(FatalError):
        stage.start()
    stage.db.run_script("alter table gone rename to workflow_executions")
    assert (stage.start().started, stage.incidents()) == (20, [])


def test_a_bad_condition_of_one_workflow_leaves_the_others_alone(stage: StartStage) -> None:
    bad, good = stage.publish(), stage.publish()
    stage.execute(
        """update workflow_versions set program = jsonb_set(program, '{conditions}', :conditions)
           where workflow_id = :id""",
        id=bad,
        conditions=Json({"kind": "all", "parts": [{"field": "x", "operator": "??"}]}),
    )
    stage.won_deal()
    assert stage.start().started == 1
    assert stage.reasons(good) == [("started", None)]
    assert stage.reasons(bad)[0][0] == "not_started"


def test_the_incident_of_an_unreadable_version_ends_with_the_next_version(stage: StartStage) -> None:
    workflow = stage.publish()
    stage.execute("update workflow_versions set program = '{}'")
    stage.won_deal()
    stage.start()
    assert stage.incidents() == [("workflow_unreadable", str(workflow))]
    assert close_recovered_starts(stage.db, stage.now) == 0
    stage.publish(workflow=workflow)
    assert (close_recovered_starts(stage.db, stage.now + timedelta(minutes=1)), stage.incidents()) == (1, [])


def test_lines_of_many_organizations_have_their_turn(stage: StartStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "LINES", 3)
    for _ in range(8):
        org = stage.other_org()
        stage.publish(CREATED, org=org)
        stage.deal(org_id=org)
        stage.deal(org_id=org)
    done = stage.start()
    assert (done.started, stage.waiting_events()) == (16, 0)


def test_lines_whose_events_are_put_off_leave_their_turn_to_others(
    stage: StartStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LINES", 3)
    for _ in range(8):
        org = stage.other_org()
        stage.publish(CREATED, org=org)
        stage.deal(org_id=org)
    stage.execute(
        "update entity_events set not_before = :later"
        " where id in (select id from entity_events order by org_id limit 7)",
        later=stage.now + timedelta(hours=2),
    )
    assert (stage.start().started, stage.waiting_events()) == (1, 7)
    stage.wait(hours=2)
    assert (stage.start().started, stage.waiting_events()) == (7, 0)
