"""crm-relay workflow: made from a file, published, listed and shown."""

import json
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, console, reports_errors, show
from cli.workflow.backfills import app as backfills
from cli.workflow.connection import Called, Organization, open_workflows, read_workflow, workflow_called
from cli.workflow.moves import app as moves
from cli.workflow.rehearsals import app as rehearsals
from cli.workflow.runs import app as runs
from cli.workflow.starts import app as starts
from cli.workflow.timeline import show_timeline
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.definition import drafts
from crm_relay.workflows.definition.deactivate import deactivate as end
from crm_relay.workflows.definition.publish import publish as begin
from crm_relay.workflows.overview import list_workflows
from crm_relay.workflows.overview.models import RunLine, WorkflowListed
from crm_relay.workflows.overview.show_run import show_run

app = typer.Typer(no_args_is_help=True, help="Publish, start, steer and explain workflows.")
app.add_typer(starts)
app.add_typer(rehearsals)
app.add_typer(backfills)
app.add_typer(moves)
app.add_typer(runs)


class RunStatus(Enum):
    """As `workflow_executions.status` has it."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@app.command("create")
@reports_errors
def create(
    file: Annotated[Path, typer.Argument(help="JSON or YAML file, described in docs/workflows.md.")],
    replace: Annotated[
        str | None,
        typer.Option("--replace", metavar="WORKFLOW", help="Put the file in the place of this workflow's draft."),
    ] = None,
    organization: Annotated[
        UUID | None, typer.Option("--organization", help="Id of the organization. Default: the installation's.")
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Keep a workflow from a file as a draft, which starts nothing before it is published.

    Exit status 1: publishing it would be refused, for the problems that are listed. Exit status 2: the file is no
    workflow, or there is one of this name, and nothing was kept.
    """
    given = read_workflow(file)
    with open_workflows(env_file) as installation:
        if replace is None:
            saved = drafts.create(installation.database, given, org_id=organization)
        else:
            saved = drafts.save(installation.database, workflow_called(installation, replace, organization), given)
    show(asdict(saved), as_json, "Draft")
    return FOUND if saved.problems else GOOD


@app.command("publish")
@reports_errors
def publish(
    workflow: Called, organization: Organization = None, env_file: EnvFile = None, as_json: AsJson = False
) -> int:
    """Check a workflow's draft as a whole and make it the version that runs.

    What happened before starts nothing; runs that have begun keep their version. Safe to repeat. Exit status 1: a table
    is busy, and the next round listens to it. Exit status 2: there are problems, all of which are listed.
    """
    with open_workflows(env_file) as installation:
        found = workflow_called(installation, workflow, organization)
        published = begin(installation.database, found, utc_now())
    show(asdict(published), as_json, "Published")
    return GOOD if published.is_heard else FOUND


@app.command("deactivate")
@reports_errors
def deactivate(
    workflow: Called, organization: Organization = None, env_file: EnvFile = None, as_json: AsJson = False
) -> int:
    """Let a workflow start nothing more. Runs that have begun go on; `workflow cancel` ends them."""
    with open_workflows(env_file) as installation:
        ended = end(installation.database, workflow_called(installation, workflow, organization), utc_now())
    show(asdict(ended), as_json, "Deactivated")
    return GOOD


@app.command("list")
@reports_errors
def list_all(
    workflow: Annotated[
        str | None, typer.Argument(metavar="[WORKFLOW]", help="Id or name: list the runs of this workflow.")
    ] = None,
    status: Annotated[RunStatus | None, typer.Option("--status", help="List only runs with this status.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="So many of the newest runs.")] = 50,
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """List workflows with their runs by status, or with WORKFLOW or --status the runs, the newest first.

    Exit status 1: a workflow was set active by SQL and cannot be published, is paused, or has failed runs; of runs: one
    that is shown failed.
    """
    with open_workflows(env_file) as installation:
        database = installation.database
        if workflow is None and status is None:
            return _show_workflows(_every_workflow(database, organization), as_json)
        runs_found = list_workflows.list_runs(
            database,
            workflow_id=None if workflow is None else workflow_called(installation, workflow, organization),
            org_id=organization,
            statuses=() if status is None else (status.value,),
            limit=limit,
        )
    show([asdict(each) if as_json else _run_line(each) for each in runs_found], as_json, "Runs")
    return FOUND if any(each.status == "failed" for each in runs_found) else GOOD


@app.command("show")
@reports_errors
def show_one(
    called: Annotated[str, typer.Argument(metavar="WORKFLOW|RUN", help="Id or name of a workflow, or id of a run.")],
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Show a workflow's draft and versions, or the timeline of a run: every step, decision, mail and webhook.

    Exit status 1: the run failed.
    """
    with open_workflows(env_file) as installation:
        database = installation.database
        try:
            found = drafts.find_workflow(database, called, org_id=organization)
        except RejectedInput as error:
            if error.status != 404:
                raise
            return show_timeline(show_run(database, _run_id(called)), as_json)
        shown = drafts.show_workflow(database, found)
    _show_workflow(shown, as_json)
    return GOOD


def _every_workflow(database: Queryable, organization: UUID | None) -> list[WorkflowListed]:
    found: list[WorkflowListed] = []
    page = list_workflows.list_workflows(database, org_id=organization)
    while page:
        found += page
        page = list_workflows.list_workflows(database, org_id=organization, after=(page[-1].name, page[-1].id))
    return found


def _show_workflows(found: list[WorkflowListed], as_json: bool) -> int:
    show([asdict(each) if as_json else _workflow_line(each) for each in found], as_json, "Workflows")
    troubled = any(each.problems or each.paused_at is not None or each.runs.get("failed") for each in found)
    return FOUND if troubled else GOOD


def _show_workflow(shown: drafts.WorkflowShown, as_json: bool) -> None:
    if as_json:
        show(asdict(shown), as_json, "")
        return
    about = {name: value for name, value in asdict(shown.workflow).items() if value not in (None, ())}
    show(about, as_json, "Workflow")
    versions = [
        {name: value for name, value in asdict(each).items() if name != "definition"} for each in shown.versions
    ]
    show(versions, as_json, "Versions")
    console.print_json(json.dumps(shown.definition, default=str))


def _run_id(called: str) -> UUID:
    try:
        return UUID(called)
    except ValueError:
        raise RejectedInput("there is no workflow of this name, and a run is shown by its id", status=404) from None


def _workflow_line(each: WorkflowListed) -> dict[str, Any]:
    version = "draft" if each.active_version is None else f"version {each.active_version}"
    state = [
        version,
        "draft has changes" if each.has_changes else None,
        None if each.paused_at is None else f"paused: {each.paused_reason}",
        *(each.problems or ()),
    ]
    return {
        "name": each.name,
        "about": each.entity_type,
        "state": "\n".join(part for part in state if part),
        "runs": each.runs,
        "id": each.id,
    }


def _run_line(each: RunLine) -> dict[str, Any]:
    waits = f"waits for {each.waits_for}" if each.waits_for and each.completed_at is None else None
    due = f"goes on {each.next_run_at:%Y-%m-%d %H:%M}" if each.next_run_at is not None else None
    return {
        "run": each.id,
        "workflow": each.workflow_name,
        "record": f"{each.entity_type} {each.entity_id}",
        "state": "\n".join(part for part in (each.status, waits, due, each.error) if part),
        "steps": each.steps_done,
        "created": f"{each.created_at:%Y-%m-%d %H:%M}",
    }
