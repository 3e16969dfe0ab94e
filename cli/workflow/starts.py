"""crm-relay workflow start, run and why: what starts, what is due, and why something did not start."""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, reports_errors, show, use_settings
from cli.workflow.connection import Called, Organization, open_workflows, workflow_called
from crm_relay.platform.clock import utc_now
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.operations.report_event import start_workflow
from crm_relay.workflows.operations.steer import OPERATOR
from crm_relay.workflows.overview.models import DraftWhy, WorkflowWhy
from crm_relay.workflows.overview.why import OTHER_TYPE
from crm_relay.workflows.rehearsal.why_drafts import explain_record

app = typer.Typer()

Record = Annotated[UUID, typer.Argument(metavar="ID", help="Id of the record.")]


@app.command("start")
@reports_errors
def start(
    workflow: Called,
    record: Record,
    key: Annotated[str | None, typer.Option("--key", help="Makes the command safe to repeat.")] = None,
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Start a workflow for one record.

    Conditions, cool-down and re-entry are asked as for an event. Exit status 1: one of them refused.
    """
    with open_workflows(env_file) as installation:
        found = workflow_called(installation, workflow, organization)
        started = start_workflow(installation.database, found, record, utc_now, who=OPERATOR, key=key)
        if started.execution_id is not None:
            installation.wake_workflows()
    show(asdict(started), as_json, "Start")
    return FOUND if started.execution_id is None else GOOD


@app.command("run")
@reports_errors
def run(env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Start and run everything that is due now, as workflow_cron does every minute.

    Exit status 1: something is left to do.
    """
    from local.runtime.lambda_context import LocalLambdaContext
    from local.stack_file import ROOT
    from local.template.template import SamTemplate
    from workflow_cron.wiring import run as run_once

    use_settings(env_file)
    definition = SamTemplate.read(ROOT / "template.yaml").functions["workflow_cron"]
    answer = run_once(LocalLambdaContext.of(definition))
    show(answer, as_json, "Workflows")
    return GOOD if answer["finished"] else FOUND


@app.command("why")
@reports_errors
def why(
    entity: Annotated[EntityType, typer.Argument(metavar="ENTITY", help="Type of the record, such as deal.")],
    record: Record,
    workflow: Annotated[
        str | None, typer.Option("--workflow", help="Id or name of one workflow. Default: all of its organization.")
    ] = None,
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Say why workflows did or did not start for a record: the first gate that refused, with its values.

    `now` is what a start would come to at this moment, by the record as it is. Exit status 1: none of them started.
    """
    with open_workflows(env_file) as installation:
        found = None if workflow is None else workflow_called(installation, workflow, organization)
        known = explain_record(installation.database, (entity, record), utc_now(), workflow_id=found)
    started = any(each.verdict != "not_started" for one in known.workflows for each in one.decisions)
    if as_json:
        show(asdict(known), as_json, "")
    else:
        show([_workflow_line(each) for each in known.workflows], as_json, f"{entity.value} {record}")
        for each in known.workflows:
            if each.answer != OTHER_TYPE:
                show(_explained(each), as_json, each.name)
        for draft in known.drafts:
            show(_draft(draft), as_json, f"{draft.name}, a draft")
    return GOOD if started else FOUND


def _draft(each: DraftWhy) -> dict[str, Any]:
    lines: dict[str, Any] = {"answer": each.answer, "because": each.because}
    for decision in each.decisions:
        reason = f" ({decision.reason})" if decision.reason else ""
        asked = [_comparison(one) for one in _entries(decision.explanation)]
        lines[f"{decision.at:%Y-%m-%d %H:%M:%S}"] = "\n".join((f"{decision.verdict}{reason}", *asked))
    return lines


def _workflow_line(each: WorkflowWhy) -> dict[str, Any]:
    return {"workflow": each.name, "about": each.entity_type, "answer": each.answer, "because": each.because}


def _explained(each: WorkflowWhy) -> dict[str, Any]:
    """What was decided, gate by gate, and what would be decided now."""
    lines: dict[str, Any] = {"starts on": each.triggers or "nothing"}
    for decision in each.decisions:
        reason = f" ({decision.reason})" if decision.reason else ""
        asked = [_comparison(one) for one in _entries(decision.explanation)]
        lines[f"{decision.decided_at:%Y-%m-%d %H:%M:%S}"] = "\n".join((f"{decision.verdict}{reason}", *asked))
    if each.now is not None:
        gate = f": {each.now.gate}" if each.now.gate else ""
        lines["if started now"] = "\n".join(
            (f"{each.now.verdict}{gate}", *(_comparison(one) for one in _entries(each.now.explanation)))
        )
    return lines


def _entries(explanation: Any) -> list[dict[str, Any]]:
    """Of a column that anybody may have written."""
    entries = explanation if isinstance(explanation, list | tuple) else ()
    return [each for each in entries if isinstance(each, dict)]


def _comparison(entry: dict[str, Any]) -> str:
    what = entry.get("field") or entry.get("gate")
    if "problem" in entry:
        return f"{what}: {entry['problem']}"
    asked = " ".join(str(part) for part in (what, entry.get("operator"), entry.get("wanted")) if part is not None)
    return f"{asked}: is {entry.get('actual')!s}, {'holds' if entry.get('holds') else 'does not hold'}"
