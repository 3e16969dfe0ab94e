"""crm-relay approval: what waits and who is asked, and decisions in a colleague's name."""

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, reports_errors, show
from cli.workflow.connection import Organization, open_workflows
from crm_relay.operations.access.tokens import colleague_called
from crm_relay.workflows.approvals.deciding.decide import decide
from crm_relay.workflows.approvals.deciding.decisions import Decision
from crm_relay.workflows.approvals.models import ApprovalAction, Way
from crm_relay.workflows.approvals.overview import ApprovalShown, list_approvals, show_approval
from crm_relay.workflows.operations.steer import OPERATOR

app = typer.Typer(no_args_is_help=True, help="List what waits for approval, and decide it.")

Approval = Annotated[UUID, typer.Argument(metavar="ID", help="Id of the approval.")]
As = Annotated[str, typer.Option("--as", metavar="USER", help="Id or address of the approver who decides.")]
Notes = Annotated[str | None, typer.Option("--notes", help="Why; kept with the decision.")]


@app.command("list")
@reports_errors
def list_all(
    user: Annotated[
        str | None, typer.Option("--of", metavar="USER", help="Id or address of a colleague: list theirs alone.")
    ] = None,
    run: Annotated[UUID | None, typer.Option("--run", help="List those of this run alone.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="List those that are over as well.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="So many at most.")] = 50,
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """List approvals that wait, the oldest first, with their age. Exit status 1: one of them waits."""
    with open_workflows(env_file) as installation:
        database = installation.database
        found = list_approvals(
            database,
            org_id=organization,
            approver_id=None if user is None else colleague_called(database, user),
            execution_id=run,
            is_pending=None if everything else True,
            limit=limit,
        )
    show([asdict(each) if as_json else _line(each) for each in found], as_json, "Approvals")
    return FOUND if any(each.status == "pending" for each in found) else GOOD


@app.command("show")
@reports_errors
def show_one(approval: Approval, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Show an approval with what it is about, who is asked in whose place, and what was decided."""
    with open_workflows(env_file) as installation:
        found = show_approval(installation.database, approval)
    shown = asdict(found)
    show(shown if as_json else {name: value for name, value in shown.items() if value is not None}, as_json, "Approval")
    return GOOD


@app.command("approve")
@reports_errors
def approve(
    approval: Approval, approver: As, notes: Notes = None, env_file: EnvFile = None, as_json: AsJson = False
) -> int:
    """Give an approval in the name of its approver. Exit status 1: it was decided before, as is shown."""
    return _decide(ApprovalAction.APPROVE, approval, approver, notes, env_file, as_json=as_json)


@app.command("reject")
@reports_errors
def reject(
    approval: Approval, approver: As, notes: Notes = None, env_file: EnvFile = None, as_json: AsJson = False
) -> int:
    """Refuse an approval in the name of its approver. Exit status 1: it was decided before, as is shown."""
    return _decide(ApprovalAction.REJECT, approval, approver, notes, env_file, as_json=as_json)


@app.command("delegate")
@reports_errors
def delegate(
    approval: Approval,
    approver: As,
    to: Annotated[str, typer.Option("--to", metavar="USER", help="Id or address of who decides instead.")],
    notes: Notes = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Hand an approval on to another colleague. Exit status 1: it was decided before, as is shown."""
    return _decide(ApprovalAction.DELEGATE, approval, approver, notes, env_file, to=to, as_json=as_json)


def _decide(
    action: ApprovalAction,
    approval: UUID,
    approver: str,
    notes: str | None,
    env_file: Path | None,
    *,
    to: str | None = None,
    as_json: bool,
) -> int:
    with open_workflows(env_file) as installation:
        database = installation.database
        target = None if to is None else colleague_called(database, to)
        decision = Decision(action, Way.CLI, colleague_called(database, approver), notes, target, OPERATOR)
        decided = decide(database, approval, decision)
        if decided.changed:
            installation.wake_workflows()
    show(asdict(decided), as_json, "Approval")
    return GOOD if decided.changed else FOUND


def _line(each: ApprovalShown) -> dict[str, Any]:
    due = None if each.due_at is None else f"due {each.due_at:%Y-%m-%d %H:%M}"
    place = None if each.came_by == "self" else f"{each.came_by} of {each.stands_for_name or 'nobody'}"
    state = [each.status, due, each.ended_for]
    return {
        "approval": each.id,
        "what": f"{each.title or ''}\n{each.workflow_name}",
        "approver": "\n".join(part for part in (each.approver_name or str(each.approver_id), place) if part),
        "requester": each.requester_name or "",
        "waits": str(timedelta(seconds=each.age_seconds or 0)) if each.status == "pending" else "",
        "state": "\n".join(part for part in state if part),
    }
