"""crm-relay incident: what is wrong, and what an operator closes by hand."""

from dataclasses import asdict
from typing import Annotated

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, open_database, reports_errors, show
from crm_relay.incidents.close_by_hand import close_by_hand, list_incidents
from crm_relay.platform.clock import utc_now

app = typer.Typer(no_args_is_help=True, help="List and close incidents.")


@app.command("list")
@reports_errors
def incident_list(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too, the newest 500.")] = False,
    kind: Annotated[str | None, typer.Option("--kind", help="Incidents of one kind.")] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """List incidents.

    Exit status 1: some are open.
    """
    with open_database(env_file) as database:
        rows = [asdict(each) for each in list_incidents(database, open_only=not everything, kind=kind, limit=500)]
    shown = ("id", "kind", "subject", "workspace_name", "title", "opened_at", "closed_at", "closed_by")
    show(rows if as_json else [{name: row[name] for name in shown} for row in rows], as_json, "Incidents")
    return FOUND if any(row["closed_at"] is None for row in rows) else GOOD


@app.command("close")
@reports_errors
def incident_close(
    number: Annotated[int, typer.Argument(metavar="ID", help="Number of the incident.", min=1)],
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Close an incident that nothing else will close.

    One that is still true opens again with the next look.
    """
    with open_database(env_file) as database:
        closed = close_by_hand(database, number, utc_now())
    show(asdict(closed), as_json, "Closed")
    return GOOD
