"""Workflows: what a batch of runs costs, how fast runs come to their end, and what a round without work asks."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from benchmarks.figures import Figure, Subject
from benchmarks.servers import Login, Servers
from crm_relay.incidents.send_alerts import send_alerts
from crm_relay.mail.models import Identity
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.fence.clone_fence import is_armed
from crm_relay.platform.sql import Json, Query
from crm_relay.workflows.definition.program_json import program_to_json
from crm_relay.workflows.engine.run_due import RunReport, run_due
from crm_relay.workflows.engine.take_runs import BATCH, RunContext
from crm_relay.workflows.models import EntityType, Program, StepKind, WorkflowStep
from crm_relay.workflows.operations.what_is_due import what_is_due
from crm_relay.workflows.run_models import Letterhead
from tests.support.platform.counting_proxy import CountingProxy

_NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
_RUNS, _BATCHES = 5_000, 10

_TASK = (StepKind.CREATE_TASK, {"title": "Call about {{deal.name}}"})
_ACTIVITY = (StepKind.CREATE_ACTIVITY, {"subject": "Won: {{deal.name}}"})
_FIELD = (StepKind.UPDATE_FIELD, {"field": "stage", "value": "done"})
_NOTICE = (StepKind.SEND_NOTIFICATION, {"to": "owner", "title": "Won", "message": "{{deal.name}} is won"})
_EMAIL = (StepKind.SEND_EMAIL, {"subject": "Welcome {{contact.first_name}}", "html": "<p>{{deal.name}}</p>"})
_VERSION = Query.parse(
    "version",
    "what the runs are runs of",
    """insert into workflow_versions (
           workflow_id, version, org_id, entity_type, definition, program, source_hash, starts_from, published_at,
           published_by
       ) values (:workflow, 1, default_org_id(), 'deal', '{}', :program, 'bench', :now, :now, 'bench')""",
)
_RUNS_OF = """
    insert into user_profiles (id, org_id, email)
    values ('{owner}', default_org_id(), '{owner}@example.com') on conflict do nothing;
    with person as (
        insert into contacts (email, first_name)
        select '{workflow}.' || n || '@example.com', 'P' || n from generate_series(1, {number}) n
        returning id
    ),
    deal as (
        insert into deals (name, owner_id, lead_contact_id) select 'Deal', '{owner}', id from person returning id
    ),
    instance as (
        insert into workflow_instances (org_id, workflow_id, entity_type, entity_id)
        select default_org_id(), '{workflow}', 'deal', id from deal
        returning id, entity_id
    )
    insert into workflow_executions (
        org_id, instance_id, workflow_id, version, entity_type, entity_id, trigger_type, next_run_at, created_at
    )
    select default_org_id(), id, '{workflow}', 1, 'deal', entity_id, 'automatic', '{now}', '{now}' from instance;
    analyze deals; analyze contacts; analyze workflow_executions; analyze workflow_instances
"""


def _program(steps: Sequence[tuple[StepKind, Mapping[str, object]]]) -> Program:
    last = len(steps) - 1
    placed = (
        WorkflowStep(str(place), kind, config, next=None if place == last else place + 1)
        for place, (kind, config) in enumerate(steps)
    )
    return Program(EntityType.DEAL, (), tuple(placed))


def _plant(login: Login, steps: Sequence[tuple[StepKind, Mapping[str, object]]], *, runs: int) -> UUID:
    """A workflow of these steps, and runs of it that are due, each for a deal of its own."""
    workflow, owner_id = uuid4(), uuid4()
    with login.as_owner() as owner:
        owner.run_script(
            f"""update organizations set postal_address = '1 Example Street';
                insert into workflows (id, name, entity_type, is_active)
                values ('{workflow}', 'Bench', 'deal', true)"""
        )
        owner.run(_VERSION, workflow=workflow, program=Json(program_to_json(_program(steps))), now=_NOW)
        owner.run_script(_RUNS_OF.format(workflow=workflow, owner=owner_id, number=runs, now=_NOW))
    return workflow


def _run(database: Database, context: RunContext | None = None) -> RunReport:
    return run_due(database, context or _context(), lambda: _NOW, Deadline.after(600))


def _context() -> RunContext:
    return RunContext(Letterhead(Identity(None, "crm@example.com"), "https://api.example.com"))


def count_statements(login: Login, *, batches: int) -> float:
    """Of a hundred steps, without the last look that finds nothing: each batch is a hundred runs of three steps."""
    context = _context()
    with CountingProxy(login.url) as proxy:
        database = Database(proxy.url)
        _plant(login, [_TASK, _NOTICE, _FIELD], runs=1)
        _run(database, context)
        proxy.forget()
        _run(database, context)
        idle = _statements(proxy)
        _plant(login, [_TASK, _NOTICE, _FIELD], runs=batches * BATCH)
        proxy.forget()
        report = _run(database, context)
        # The new version is read once.
        statements = _statements(proxy) - idle - 1
        database.close()
    if report.outcomes["completed"] != batches * BATCH:
        raise RuntimeError("not every run came to its end")
    return statements / batches


def _statements(proxy: CountingProxy) -> int:
    """A message of a transaction has a statement a line that begins with a semicolon; the commit is no statement."""
    return sum(1 + query.count("\n; ") - query.endswith("\n; commit") for query in proxy.queries)


def count_idle_workflow_statements(login: Login) -> int:
    """Of a round that finds nothing: the look for what is due, the fence, and the look for alerts."""
    with CountingProxy(login.url) as proxy:
        database = Database(proxy.url)
        _run(database)
        proxy.forget()
        if what_is_due(database, _NOW).is_anything:
            raise RuntimeError("something was due")
        is_armed(database)
        send_alerts(database, [], _NOW)
        statements = len(proxy.queries)
        database.close()
    return statements


def _rate(login: Login, steps: Sequence[tuple[StepKind, Mapping[str, object]]]) -> float:
    _plant(login, steps, runs=_RUNS)
    database = Database(login.url, timeout=60)
    began = time.perf_counter()
    report = _run(database)
    seconds = time.perf_counter() - began
    database.close()
    if report.outcomes["completed"] != _RUNS:
        raise RuntimeError("not every run came to its end")
    return _RUNS / seconds


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        count = count_statements(login, batches=_BATCHES)
        yield Figure("workflow_cron.statements_per_100_steps", count, "per batch of 100 runs", _BATCHES)
    with servers.database() as login:
        yield Figure("workflow_cron.idle_statements", count_idle_workflow_statements(login), "per tick", 1)
    with servers.database() as login:
        rate = _rate(login, [_TASK, _ACTIVITY, _FIELD])
        yield Figure("workflow_cron.runs_per_s", rate, "runs/s of three database effects, one worker", 1)
    with servers.database() as login:
        rate = _rate(login, [_EMAIL, _TASK, _FIELD])
        yield Figure("workflow_cron.runs_with_mail_per_s", rate, "runs/s with a mail into the ledger, one worker", 1)


SUBJECT = Subject(
    (
        "workflow_cron.statements_per_100_steps",
        "workflow_cron.idle_statements",
        "workflow_cron.runs_per_s",
        "workflow_cron.runs_with_mail_per_s",
    ),
    _measure,
)
