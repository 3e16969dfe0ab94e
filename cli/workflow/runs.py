"""crm-relay workflow pause, resume, cancel and retry: of a workflow, or of single runs."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, reports_errors, show
from cli.workflow.connection import CALLED, Organization, open_workflows, workflow_called
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.workflows.operations.steer import (
    FailedRuns,
    RunChange,
    RunsChanged,
    change_runs,
    failed_runs,
    pause_workflow,
    resume_workflow,
)

app = typer.Typer()

_PATIENCE = 600.0
_MOST_SHOWN = 50

Workflow = Annotated[str | None, CALLED]
Runs = Annotated[list[UUID] | None, typer.Option("--run", help="Id of a run, instead of a workflow. Repeatable.")]


@app.command("pause")
@reports_errors
def pause(
    workflow: Workflow = None,
    run: Runs = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept with the workflow.")] = None,
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Pause a workflow with all its runs, mail and webhooks, or single runs.

    Everything keeps its place, and a paused workflow goes on noting what starts. Exit status 1: a run could not be
    paused.
    """
    _one_of(workflow, run)
    with open_workflows(env_file) as installation:
        if workflow is None:
            return _show_runs(_change(installation.database, RunChange.PAUSE, run or ()), as_json, "Paused")
        found = workflow_called(installation, workflow, organization)
        changed = pause_workflow(installation.database, found, utc_now(), reason=_on_one_line(reason))
    show({"id": found, "changed": changed}, as_json, "Paused")
    return GOOD


@app.command("resume")
@reports_errors
def resume(
    workflow: Workflow = None,
    run: Runs = None,
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Let a workflow or single runs go on.

    A workflow that its effect budget paused gets another budget for the rest of the day. Exit status 1: a run could not
    be resumed.
    """
    _one_of(workflow, run)
    with open_workflows(env_file) as installation:
        if workflow is None:
            changed_runs = _change(installation.database, RunChange.RESUME, run or ())
            installation.wake_workflows()
            return _show_runs(changed_runs, as_json, "Resumed")
        found = workflow_called(installation, workflow, organization)
        changed = resume_workflow(installation.database, found, utc_now())
        installation.wake_workflows()
    show({"id": found, "changed": changed}, as_json, "Resumed")
    return GOOD


@app.command("cancel")
@reports_errors
def cancel(
    workflow: Workflow = None,
    run: Runs = None,
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Cancel all runs of a workflow that are not over, or single runs, for good.

    Mail and webhooks that wait are taken back; what is being sent at this moment may still arrive. The workflow goes on
    starting: `workflow deactivate` ends that. Exit status 1: a run could not be cancelled.
    """
    return _change_some(RunChange.CANCEL, workflow, run, organization, env_file, as_json=as_json)


@app.command("retry")
@reports_errors
def retry(
    workflow: Workflow = None,
    run: Runs = None,
    error: Annotated[
        str | None, typer.Option("--error", help="Only runs of the workflow that failed for this, as --preview has it.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="List what would be retried, by step and error.")] = False,
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Let all failed runs of a workflow, or single ones, go on with the step that failed.

    What the run did before is not repeated. Beside a newer run of its record a run is retried as the workflow's reEntry
    says. Exit status 1: a run could not be retried, or the preview found some.
    """
    if error is not None and workflow is None:
        raise typer.BadParameter("--error goes with a workflow")
    if not preview:
        return _change_some(RunChange.RETRY, workflow, run, organization, env_file, as_json=as_json, error=error)
    with open_workflows(env_file, patience=_PATIENCE) as installation:
        found = None if workflow is None else workflow_called(installation, workflow, organization)
        failed = failed_runs(installation.database, workflow_id=found, org_id=organization)
    failed = [each for each in failed if error is None or each.error == error]
    show([asdict(each) if as_json else _failed_line(each) for each in failed], as_json, "Failed runs")
    return FOUND if failed else GOOD


def _failed_line(each: FailedRuns) -> dict[str, Any]:
    return {
        "workflow": each.workflow_name,
        "step": each.step or "",
        "error": each.error or "",
        "runs": each.number,
        "last": f"{each.last_at:%Y-%m-%d %H:%M}",
        "such as": each.runs[0],
    }


def _change_some(
    change: RunChange,
    workflow: str | None,
    runs: list[UUID] | None,
    organization: UUID | None,
    env_file: Path | None,
    *,
    as_json: bool,
    error: str | None = None,
) -> int:
    _one_of(workflow, runs)
    with open_workflows(env_file, patience=_PATIENCE) as installation:
        found = None if workflow is None else workflow_called(installation, workflow, organization)
        changed = _change(installation.database, change, runs or (), found, error)
        if changed.changed:
            installation.wake_workflows()
    return _show_runs(changed, as_json, change.value.title())


def _change(
    database: Database,
    change: RunChange,
    runs: list[UUID] | tuple[UUID, ...],
    workflow_id: UUID | None = None,
    error: str | None = None,
) -> RunsChanged:
    """Batch by batch; a batch that changed nothing is the last one."""
    done = change_runs(database, change, utc_now(), runs=runs, workflow_id=workflow_id, error=error)
    while workflow_id is not None and done.has_more:
        more = change_runs(database, change, utc_now(), workflow_id=workflow_id, error=error)
        done = replace(
            more, changed=(*done.changed, *more.changed), refused=done.refused | more.refused,
            has_more=more.has_more and bool(more.changed),
        )  # fmt: skip
    return done


def _show_runs(changed: RunsChanged, as_json: bool, title: str) -> int:
    """JSON has texts for the ids of what was refused."""
    refused: dict[str, Any] = {str(run): why for run, why in changed.refused.items()}
    listed = changed.changed if as_json else changed.changed[:_MOST_SHOWN]
    result: dict[str, Any] = {"runs": len(changed.changed), "changed": listed, "refused": refused}
    show(result, as_json, title)
    return FOUND if refused or changed.has_more else GOOD


def _one_of(workflow: str | None, runs: list[UUID] | None) -> None:
    if (workflow is None) == (not runs):
        raise typer.BadParameter("a workflow or --run: one of them")


def _on_one_line(reason: str | None) -> str | None:
    return None if reason is None else " ".join(reason.split())[:500] or None
