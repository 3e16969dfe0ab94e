"""What the event triggers add to a bulk update of the business, and how fast runs are started."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from benchmarks.figures import Figure, Subject, median
from benchmarks.servers import Login, Servers
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Json, Query
from crm_relay.workflows.definition.program_json import program_to_json
from crm_relay.workflows.models import (
    ConditionGroup,
    EntityType,
    Program,
    RecordCondition,
    StepKind,
    Trigger,
    TriggerKind,
    WorkflowSettings,
    WorkflowStep,
)
from crm_relay.workflows.starting.programs import Programs
from crm_relay.workflows.starting.start_runs import start_runs

_ROWS, _PAIRS, _EVENTS = 100_000, 5, 20_000
_MICROSECONDS = 1_000_000
_UPDATE = "update benched set status = 'u' || random()"
# As wide as a business table; the real ones of this schema carry triggers of other rooms beside.
_TABLE = """
    create table benched (
        id uuid primary key default gen_random_uuid(), org_id uuid not null default default_org_id(), name text,
        status text, stage text, value numeric, currency text, probability integer, owner_id uuid, note text,
        created_at timestamptz default now(), updated_at timestamptz default now()
    );
    create trigger workflow_created after insert on benched
        referencing new table as after_rows for each statement execute function note_created('deal', 'status', 'stage');
    insert into benched (name, status, value, currency, note)
    select 'Deal ' || n, 'open', n, 'EUR', repeat('x', 100) from generate_series(1, {rows}) n;
    analyze benched
"""
_WORKFLOW = "insert into workflows (id, name, entity_type) values ('11111111-1111-4111-8111-111111111111', 'W', 'deal')"
_LISTEN = """
    delete from workflow_listeners;
    insert into workflow_listeners (workflow_id, org_id, entity_type, topic)
    select '11111111-1111-4111-8111-111111111111', default_org_id(), 'deal', topic
    from unnest(array[{topics}]::text[]) topic;
    select relation from listen_to_changes()
"""
_VERSION = Query.parse(
    "version",
    "as publishing leaves it",
    """insert into workflow_versions (workflow_id, version, org_id, entity_type, definition, program, source_hash,
           starts_from, published_at, published_by)
       select '11111111-1111-4111-8111-111111111111', 1, default_org_id(), 'deal', '{}', :program, 'h',
           '2020-01-01T00:00Z', now(), 'bench'""",
)


def _program() -> Program:
    conditions = ConditionGroup("all", (RecordCondition("value", "gte", 1),))
    won = Trigger(TriggerKind.STATUS_CHANGE, becomes="won")
    step = WorkflowStep("0", StepKind.CREATE_ACTIVITY, {"subject": "Noted"})
    return Program(EntityType.DEAL, (won,), (step,), conditions, WorkflowSettings(starts_per_minute=_ROWS * 100))


def _seconds(owner: Database, *, noted: bool) -> float:
    """One committed update, on a table without dead rows and with nothing waiting to be written out."""
    owner.run_script(f"alter table benched {'enable' if noted else 'disable'} trigger user")
    owner.run_script("truncate entity_events")
    owner.run_script("vacuum benched")
    owner.run_script("checkpoint")
    began = time.perf_counter()
    owner.run_script(_UPDATE)
    return time.perf_counter() - began


def _pairs(owner: Database, topics: str) -> list[tuple[float, float]]:
    """Without and with the triggers, pair by pair: neighbours in time had the same machine."""
    owner.run_script(_LISTEN.format(topics=topics))
    return [(_seconds(owner, noted=False), _seconds(owner, noted=True)) for _ in range(_PAIRS)]


def _measure_triggers(owner: Database) -> Iterator[Figure]:
    owner.run_script(_WORKFLOW)
    owner.run_script(_TABLE.format(rows=_ROWS))
    _seconds(owner, noted=False)  # the first update of all finds no room in its pages
    unit = f"% of an UPDATE of {_ROWS:,} rows"
    nobody = [(noted / without - 1) * 100 for without, noted in _pairs(owner, "")]
    yield median("workflow.trigger_overhead_percent", f"{unit} where nobody listens", nobody)
    other = [(noted / without - 1) * 100 for without, noted in _pairs(owner, "'value'")]
    yield median("workflow.trigger_overhead_other_column_percent", f"{unit} where another column is listened to", other)
    events = [(noted - without) / _ROWS * _MICROSECONDS for without, noted in _pairs(owner, "'status'")]
    yield median("workflow.us_per_event_row", "us a row that becomes an event", events)


def _starts_per_second(login: Login) -> float:
    with login.as_owner() as owner:
        owner.run_script(_WORKFLOW)
        owner.run_script(_LISTEN.format(topics="'status'"))
        owner.run(_VERSION, program=Json(program_to_json(_program())))
        owner.run_script(
            f"""insert into deals (name, value) select 'd', 5 from generate_series(1, {_EVENTS});
                truncate entity_events; update deals set status = 'won'; analyze"""
        )
    database, now = Database(login.url, timeout=60), datetime.now(UTC)
    began = time.perf_counter()
    done = start_runs(database, Programs(), lambda: now, Deadline.after(600))
    seconds = time.perf_counter() - began
    database.close()
    if done.started != _EVENTS:
        raise RuntimeError("not every event has started its run")
    return _EVENTS / seconds


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login, login.as_owner() as owner:
        yield from _measure_triggers(owner)
    with servers.database() as login:
        yield Figure("workflow.starts_per_s", _starts_per_second(login), "starts/s, one worker", 1)


SUBJECT = Subject(
    (
        "workflow.trigger_overhead_percent",
        "workflow.trigger_overhead_other_column_percent",
        "workflow.us_per_event_row",
        "workflow.starts_per_s",
    ),
    _measure,
)
