"""crm-relay pitch: what leaves by connected mailboxes."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, ensure_may_act, open_database, reports_errors, show
from crm_relay.connections.overview.show import workspace_called
from crm_relay.connections.pitches.orders import OPERATOR, PitchOrder, order_pitch
from crm_relay.connections.pitches.show_pitches import list_pitches, show_pitch
from crm_relay.platform.clock import utc_now

app = typer.Typer(no_args_is_help=True, help="Look at pitches, send, cancel and settle them.")
Pitch = Annotated[UUID, typer.Argument(metavar="PITCH", help="Id of the pitch.")]


@app.command("list")
@reports_errors
def list_all(
    workspace: Annotated[str | None, typer.Option("--workspace", help="Name or id of a workspace.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="Such as unknown.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="So many at most.")] = 50,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """List pitches, the newest first. Exit status 1: one of them is of an unknown fate."""
    with open_database(env_file) as db:
        chosen = None if workspace is None else workspace_called(db, workspace)
        lines = list_pitches(db, workspace=chosen, status=status, limit=limit)
    show([asdict(each) for each in lines], as_json, "Pitches")
    return FOUND if any(each.status == "unknown" for each in lines) else GOOD


@app.command("why")
@reports_errors
def why(pitch: Pitch, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Say what became of a pitch or what it waits for, and what can be ordered. Exit status 1: its fate is unknown."""
    with open_database(env_file) as db:
        found = show_pitch(db, pitch)
    show(asdict(found), as_json, "Pitch")
    return FOUND if found.pitch.status == "unknown" else GOOD


@app.command("send")
@reports_errors
def send(pitch: Pitch, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Queue a draft, or a pitch that did not leave: the next sync of its mailbox asks the gate again."""
    return _order(pitch, PitchOrder.SEND, env_file, as_json=as_json)


@app.command("cancel")
@reports_errors
def cancel(pitch: Pitch, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Cancel a pitch that has not left; the next sync takes its draft out of the mailbox."""
    return _order(pitch, PitchOrder.CANCEL, env_file, as_json=as_json)


@app.command("settle")
@reports_errors
def settle(
    pitch: Pitch,
    was_sent: Annotated[bool, typer.Option("--sent/--not-sent", help="What the mailbox shows.")],
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Settle a pitch of an unknown fate by what you found in the mailbox."""
    return _order(pitch, PitchOrder.SENT if was_sent else PitchOrder.NOT_SENT, env_file, as_json=as_json)


def _order(pitch: UUID, order: PitchOrder, env_file: Path | None, *, as_json: bool) -> int:
    ensure_may_act(env_file)
    with open_database(env_file) as db:
        show(asdict(order_pitch(db, pitch, order, OPERATOR, utc_now())), as_json, "Pitch")
    return GOOD
