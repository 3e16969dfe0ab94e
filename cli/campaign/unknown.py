"""crm-relay campaign unknown: messages whose outcome is unknown."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, open_database, reports_errors, show
from crm_relay.campaigns.lifecycle.settle_unknown import settle_unknown
from crm_relay.mail.unknown.settle_unknown import unknown_messages
from crm_relay.platform.clock import utc_now

app = typer.Typer(no_args_is_help=True, help="List and settle messages whose outcome is unknown.")

Message = Annotated[UUID, typer.Argument(metavar="ID", help="Id of a message, or of a batch that the incident names.")]


@app.command("list")
@reports_errors
def list_all(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="So many at most.")] = 100,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """List parked messages, the newest first. Exit status 1: there are some."""
    with open_database(env_file) as database:
        found = unknown_messages(database, limit=limit)
    show([asdict(each) for each in found], as_json, "Unknown")
    return FOUND if found else GOOD


@app.command("sent")
@reports_errors
def sent(message: Message, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Record that the provider's log has the message, or the whole batch; this closes the incident."""
    return _settle(message, env_file, as_json, was_sent=True)


@app.command("not-sent")
@reports_errors
def not_sent(message: Message, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Record that the provider's log does not have it; this closes the incident. It is not sent again."""
    return _settle(message, env_file, as_json, was_sent=False)


def _settle(message: UUID, env_file: Path | None, as_json: bool, *, was_sent: bool) -> int:
    with open_database(env_file) as database:
        settled = settle_unknown(database, message, utc_now(), was_sent=was_sent)
    show(asdict(settled), as_json, "Settled")
    return GOOD
