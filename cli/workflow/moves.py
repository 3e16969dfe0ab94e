"""crm-relay workflow move: let runs that have begun go on in the active version."""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, reports_errors, show
from cli.workflow.connection import Called, Organization, open_workflows, workflow_called
from crm_relay.platform.clock import utc_now
from crm_relay.workflows.moving.models import MovePreview, RunsMoved, StepOfMove
from crm_relay.workflows.moving.move_runs import move_runs, preview_move
from crm_relay.workflows.operations.steer import OPERATOR

app = typer.Typer()

_PATIENCE = 600.0


@app.command("move")
@reports_errors
def move(
    workflow: Called,
    start: Annotated[bool, typer.Option("--start", help="Move them; without it the move is previewed.")] = False,
    run: Annotated[list[UUID] | None, typer.Option("--run", help="Only this run. Repeatable.")] = None,
    step: Annotated[
        list[str] | None,
        typer.Option("--step", metavar="OLD=NEW", help="NEW takes the place of OLD. Repeatable."),
    ] = None,
    organization: Organization = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Preview or make runs of former versions go on in the active version, where they are.

    A step is found again by --step, by its name, or by its place. Nothing is moved where a run is at a step that is
    gone or of another kind. Waits keep their time unless the wait was changed. Exit status 1: some cannot be moved.
    """
    steps = dict(_pair(each) for each in step or ())
    with open_workflows(env_file, patience=_PATIENCE) as installation:
        database = installation.database
        found = workflow_called(installation, workflow, organization)
        if not start:
            return _show_preview(preview_move(database, found, runs=run or (), steps=steps), as_json)
        moved = 0
        refused: dict[UUID, str] = {}
        after: UUID | None = None
        while True:
            done: RunsMoved = move_runs(
                database, found, utc_now(), who=OPERATOR, runs=run or (), steps=steps, after=after
            )
            moved, refused = moved + done.moved, refused | done.refused
            after = done.after
            if not done.has_more:
                break
        installation.wake_workflows()
    texts = {str(each): why for each, why in refused.items()}
    show({"to_version": done.to_version, "moved": moved, "refused": texts}, as_json, "Moved")
    return FOUND if refused else GOOD


def _pair(given: str) -> tuple[str, str]:
    old, equals, new = given.partition("=")
    if not (old and equals and new):
        raise typer.BadParameter("--step OLD=NEW, such as 2=3")
    return old, new


def _show_preview(said: MovePreview, as_json: bool) -> int:
    if as_json:
        show(asdict(said), as_json, "")
    else:
        shown: dict[str, Any] = {"movable": said.movable, "refused": said.refused}
        show(shown, False, f"Move of {said.name} to version {said.to_version}: a preview")
        show([_step_line(each) for each in said.steps], False, "Runs by the step that they are at")
    return FOUND if said.refused else GOOD


def _step_line(each: StepOfMove) -> dict[str, Any]:
    changed = "its time is computed again" if each.waits_again else "does something else" if each.is_changed else ""
    return {
        "version": each.version,
        "step": each.step or "the end",
        "what": each.name or each.kind or "",
        "waits": "yes" if each.is_waiting else "",
        "goes on at": each.to_step or ("" if each.refused else "the end"),
        "changed": changed,
        "runs": each.number,
        "refused": "" if each.refused is None else f"{each.refused}, such as {each.runs[0]}",
    }
