"""crm-relay deferred: deliveries that could not be applied at once."""

from dataclasses import asdict

import typer

from cli.console import (
    FOUND,
    GOOD,
    AsJson,
    DatabaseSettings,
    EnvFile,
    installation_of,
    open_database,
    reports_errors,
    show,
)
from crm_relay.webhooks.replay import list_deferred, replay_failed

app = typer.Typer(no_args_is_help=True, help="Replay deliveries that could not be applied.")


@app.command("list")
@reports_errors
def deferred_list(env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """List deliveries that had no effect yet, without their content.

    Exit status 1: there are some.
    """
    with open_database(env_file) as database:
        rows = list_deferred(database)
    show(rows, as_json, "Deferred deliveries")
    return FOUND if rows else GOOD


class ReplaySettings(DatabaseSettings):
    """Where deferred deliveries are kept, and where they go."""

    deferred_queue_url: str
    oversize_bucket: str


@app.command("replay")
@reports_errors
def deferred_replay(env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Send failed deliveries to the deferred queue again.

    webhook_replay applies each of them once. Exit status 1: some are unreadable and stay.
    """
    installation = installation_of(env_file, ReplaySettings)
    done = replay_failed(installation.database, installation.deferred)
    show(asdict(done), as_json, "Replayed")
    return FOUND if done.unreadable else GOOD
