"""crm-relay notification unknown: messages to colleagues whose outcome is unknown."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, open_database, reports_errors, show
from crm_relay.notifications.release.slack.settle_unknown import settle_unknown, unknown_posts
from crm_relay.platform.clock import utc_now

app = typer.Typer(no_args_is_help=True, help="List and settle messages to Slack whose outcome is unknown.")

Message = Annotated[
    UUID, typer.Argument(metavar="ID", help="Id of a message, delivery or digest; the incident names it.")
]


@app.command("list")
@reports_errors
def list_unknown_posts(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="So many at most.")] = 100,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """List unclear messages to Slack, the newest first. Exit status 1: there are some.

    Unclear e-mails and text messages are listed by `crm-relay campaign unknown list`.
    """
    with open_database(env_file) as database:
        found = unknown_posts(database, limit=limit)
    show([asdict(each) for each in found], as_json, "Unknown")
    return FOUND if found else GOOD


@app.command("sent")
@reports_errors
def settle_as_sent(message: Message, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Record that the channel shows the message; this closes the incident."""
    return _settle(message, env_file, as_json, was_sent=True)


@app.command("not-sent")
@reports_errors
def settle_as_not_sent(message: Message, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Record that the channel does not show it; this closes the incident. It is not sent again."""
    return _settle(message, env_file, as_json, was_sent=False)


def _settle(message: UUID, env_file: Path | None, as_json: bool, *, was_sent: bool) -> int:
    with open_database(env_file) as database:
        settled = settle_unknown(database, message, utc_now(), was_sent=was_sent)
    show(asdict(settled), as_json, "Settled")
    return GOOD
