"""crm-relay workflow backfill: start a workflow for records that are there already."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, reports_errors, show
from cli.workflow.connection import Called, Organization, open_workflows, workflow_called
from crm_relay.platform.clock import utc_now
from crm_relay.workflows.backfill.models import Backfill, BackfillPreview
from crm_relay.workflows.backfill.order import (
    give_up_backfill,
    list_backfills,
    order_backfill,
    resume_backfill,
    stop_backfill,
)
from crm_relay.workflows.backfill.preview import preview_backfill
from crm_relay.workflows.operations.steer import OPERATOR

app = typer.Typer()

_PATIENCE = 600.0
_MOST_LOOKED_AT = 100_000


@app.command("backfill")
@reports_errors
def backfill(
    workflow: Called,
    start: Annotated[bool, typer.Option("--start", help="Order it; without any option it is previewed.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Start nothing more, and keep its place.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on behind the last record.")] = False,
    give_up: Annotated[bool, typer.Option("--give-up", help="Leave out the rest of it for good.")] = False,
    status: Annotated[bool, typer.Option("--status", help="How far it is.")] = False,
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Preview or start a published workflow for the records that are there already and match.

    workflow_cron starts them page by page at half of the workflow's pace, each record once: one that the workflow was
    ever started for is left out. Exit status 1: nothing matches, a budget would run out, or the backfill is stopped.
    """
    if sum((start, stop, resume, give_up, status)) > 1:
        raise typer.BadParameter("--start, --stop, --resume, --give-up or --status: one of them")
    with open_workflows(env_file, patience=_PATIENCE) as installation:
        database, now = installation.database, utc_now()
        found = workflow_called(installation, workflow, organization)
        if status:
            listed = list_backfills(database, found)
            show([asdict(each) for each in listed], as_json, "Backfills")
            return FOUND if any(each.state == "stopped" for each in listed) else GOOD
        if not (start or stop or resume or give_up):
            return _show_preview(preview_backfill(database, found, now, most=_MOST_LOOKED_AT), as_json)
        done: Backfill
        if stop:
            done = stop_backfill(database, found, now, who=OPERATOR)
        elif give_up:
            done = give_up_backfill(database, found, now)
        else:
            done = (order_backfill if start else resume_backfill)(database, found, now, who=OPERATOR)
            installation.wake_workflows()
    show(asdict(done), as_json, "Backfill")
    return GOOD


def _show_preview(said: BackfillPreview, as_json: bool) -> int:
    if as_json:
        show(asdict(said), as_json, "")
    else:
        shown: dict[str, Any] = {
            "records looked at": f"{said.looked_at}, and there are more" if said.is_cut else said.looked_at,
            "would start for": said.matching,
            "left out, since they had runs": said.had_runs,
            "not started": {each.reason: each.starts for each in said.starts.refused},
            "takes at this pace": f"{said.minutes} minutes",
            "examples": "\n".join(map(str, said.examples)),
            "assumed": "\n".join(said.assumptions),
        }
        show(shown, False, f"Backfill of {said.name}, version {said.version}: a preview")
        steps = [{"step": each.key, "what": each.name or each.kind, "completed": each.completed, "failed": each.failed}
                 for each in said.steps]  # fmt: skip
        show(steps, False, "Steps within thirty days")
        days = [
            {"day": each.day, "started": each.started, "e-mails": each.emails, "records": each.records,
             "paused": each.paused or ""}
            for each in said.days
        ]  # fmt: skip
        show(
            days,
            False,
            f"Days; the budget is {said.budget.emails or 'any'} e-mails, {said.budget.records or 'any'} records",
        )
    return FOUND if not said.matching or any(day.paused for day in said.days) else GOOD
