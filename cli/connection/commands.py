"""crm-relay connection: connect accounts, look at them, sync and steer them."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from cli.connection.opened import open_connections, read_settings_file
from cli.console import FOUND, GOOD, AsJson, DryRun, EnvFile, ensure_may_act, open_database, reports_errors, show
from crm_relay.connections.accounts.add_by_key import KeyedAccount, add_by_key, ensure_takes_keys
from crm_relay.connections.accounts.pick import list_choices
from crm_relay.connections.change_settings import change_settings
from crm_relay.connections.disconnect import disconnect as take_back
from crm_relay.connections.models import SyncResult
from crm_relay.connections.oauth.connect import client_of
from crm_relay.connections.oauth.ticket import make_ticket
from crm_relay.connections.overview.show import list_connections, show_connection, workspace_called
from crm_relay.connections.steer import ConnectionChange, steer
from crm_relay.connections.tokens.grants import rotate_keys
from crm_relay.connections.try_account import try_account
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.errors import RejectedInput

app = typer.Typer(no_args_is_help=True, help="Connect, look at, sync and steer the accounts of workspaces.")
Connection = Annotated[UUID, typer.Argument(metavar="CONNECTION", help="Id of the connection.")]
_WHO = "the command line"
_PICK_SECONDS = 60.0


@app.command("add")
@reports_errors
def add(
    integration: Annotated[str, typer.Argument(metavar="INTEGRATION", help="Such as airtable.")],
    workspace: Annotated[str, typer.Option("--workspace", help="Name or id of the workspace.")],
    settings: Annotated[
        Path | None, typer.Option("--settings", help="JSON file, described in docs/connections.md.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="Name of an account among several of a kind.")] = None,
    oauth: Annotated[bool, typer.Option("--oauth", help="Print an address for a browser instead of a key.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Connect an account by its key, which is asked for and tested, or begin by OAuth.

    The first sync only previews: look at it by `connection show`, and begin by `connection sync --confirm`.
    """
    given = read_settings_file(settings)
    with open_connections(env_file) as opened:
        found, now = workspace_called(opened.db, workspace), opened.now()
        if oauth:
            client_of(opened.context, integration)
            ticket = make_ticket(
                opened.db,
                provider=integration,
                workspace=found,
                started_by=_WHO,
                now=now,
                label=label,
                settings=given,
            )
            base = (opened.settings.public_url or "").rstrip("/")
            show({"address": f"{base}/oauth/{integration}/start?ticket={ticket}"}, as_json, "Open in a browser")
            return GOOD
        ensure_takes_keys(opened.context, integration)
        wanted, key = KeyedAccount(integration, found, label, given), typer.prompt("Key", hide_input=True, err=True)
        done = add_by_key(opened.db, opened.context, wanted, key, opened.now, _WHO)
    show({"id": done.id, "valid": done.is_valid}, as_json, "Connected")
    return GOOD if done.is_valid else FOUND


@app.command("pick")
@reports_errors
def pick(
    connection: Connection,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Such as base, table, field, audience or label.")],
    within: Annotated[
        str | None, typer.Option("--within", help="Id of the choice before it, such as the base of the tables.")
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """List what can be picked of an account for the settings of its connection, with ids."""
    with open_connections(env_file) as opened:
        deadline = Deadline.after(_PICK_SECONDS)
        found = list_choices(opened.db, opened.context, connection, kind, within, opened.now, deadline)
    show([asdict(each) for each in found], as_json, "Choices")
    return GOOD


@app.command("settings")
@reports_errors
def settings(
    connection: Connection,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON file of members to change; null removes one.")],
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Change settings of a connection; the next sync previews what they change about records, and waits."""
    with open_database(env_file) as db:
        changed = change_settings(db, connection, read_settings_file(file), None, _WHO, utc_now())
    show(asdict(changed), as_json, "Settings")
    return GOOD


@app.command("list")
@reports_errors
def list_all(
    workspace: Annotated[str | None, typer.Option("--workspace", help="Name or id of a workspace.")] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """List connections with their state, records, refusals and budget. Exit status 1: one needs somebody."""
    with open_database(env_file) as db:
        chosen = None if workspace is None else workspace_called(db, workspace)
        lines = list_connections(db, utc_now(), workspace=chosen)
    chosen_columns = ("id", "workspace", "integration", "label", "status", "held_for", "last_sync_at", "rejects")
    rows = [asdict(each) if as_json else {name: getattr(each, name) for name in chosen_columns} for each in lines]
    show(rows, as_json, "Connections")
    return FOUND if any(each.held_for or each.status == "error" or not each.is_equal for each in lines) else GOOD


@app.command("show")
@reports_errors
def show_one(connection: Connection, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Show a connection: what it waits for, its refused records with reasons, and its last syncs."""
    with open_database(env_file) as db:
        found = show_connection(db, connection, utc_now())
    if as_json:
        show(asdict(found), as_json, "Connection")
        return GOOD
    show(asdict(found.connection) | {"waits for": dict(found.held_details)}, as_json, "Connection")
    if found.rejects:
        show([asdict(each) for each in found.rejects], as_json, "Refused records")
    show([asdict(each) for each in found.syncs], as_json, "Syncs")
    return FOUND if found.rejects else GOOD


@app.command("test")
@reports_errors
def check_credentials(connection: Connection, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Ask the vendor by one light request whether the account can be opened; syncs that wait for that go on.

    Exit status 1: it cannot.
    """
    with open_connections(env_file) as opened:
        is_valid = try_account(opened.db, opened.context, connection, opened.now, _WHO)
    show({"valid": is_valid}, as_json, "Connection")
    return GOOD if is_valid else FOUND


@app.command("sync")
@reports_errors
def sync(
    connection: Connection,
    complete: Annotated[bool, typer.Option("--complete", help="Read everything, and compare both sides.")] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Let it do what a preview, or a sync that stopped, has shown.")
    ] = False,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Sync a connection now, both ways. Exit status 1: it failed, or records were refused."""
    if not dry_run:
        ensure_may_act(env_file)
    with open_connections(env_file) as opened:
        row = opened.row(connection)
        if confirm and not dry_run:
            steer(opened.db, connection, ConnectionChange.CONFIRM, _WHO, opened.now(), has_looked=True)
        elif not dry_run and (row.confirmed_at is None or row.held_for in {"preview", "confirmation"}):
            raise RejectedInput("look at it first with --dry-run, then repeat with --confirm", status=409)
        one = opened.sync(connection)
        result = one.preview() if dry_run else one.sync(complete=complete or confirm, may_shrink=confirm)
    show(_shown(result), as_json, "What a sync would do" if dry_run else "Synced")
    return GOOD if result.success and not result.records_failed else FOUND


def _shown(result: SyncResult) -> dict[str, object]:
    streams = dict(result.metadata.get("streams", {}))
    return {
        "success": result.success,
        "created": result.records_created,
        "updated": result.records_updated,
        "failed": result.records_failed,
        "requests": result.metadata.get("requests"),
        "errors": list(result.errors),
        "consequences": [text for each in streams.values() for text in each["consequences"]],
        "compared": {name: each["compared"] for name, each in streams.items() if each["compared"]},
    }


@app.command("pause")
@reports_errors
def pause(connection: Connection, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Sync nothing until `connection resume`; the grant is kept alive."""
    return _steer(connection, ConnectionChange.PAUSE, env_file, as_json=as_json)


@app.command("resume")
@reports_errors
def resume(connection: Connection, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Sync again, and catch up."""
    return _steer(connection, ConnectionChange.RESUME, env_file, as_json=as_json)


def _steer(connection: UUID, change: ConnectionChange, env_file: Path | None, *, as_json: bool) -> int:
    with open_database(env_file) as db:
        show(asdict(steer(db, connection, change, _WHO, utc_now())), as_json, "Connection")
    return GOOD


@app.command("reconnect")
@reports_errors
def reconnect(
    connection: Connection,
    oauth: Annotated[bool, typer.Option("--oauth", help="Print an address for a browser instead of a key.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Connect an account again, by a new key, which is asked for, or by OAuth; what waited is caught up."""
    with open_connections(env_file) as opened:
        row, now = opened.row(connection), opened.now()
        if oauth:
            client_of(opened.context, row.integration_type)
            ticket = make_ticket(
                opened.db,
                provider=row.integration_type,
                workspace=row.workspace_id,
                started_by=_WHO,
                now=now,
                connection=row.id,
            )
            base = (opened.settings.public_url or "").rstrip("/")
            address = f"{base}/oauth/{row.integration_type}/start?ticket={ticket}"
            show({"address": address}, as_json, "Open in a browser")
            return GOOD
        ensure_takes_keys(opened.context, row.integration_type)
        key = typer.prompt("Key", hide_input=True, err=True)
        wanted = KeyedAccount(row.integration_type, row.workspace_id, connection=row.id)
        done = add_by_key(opened.db, opened.context, wanted, key, opened.now, _WHO)
    show({"valid": done.is_valid}, as_json, "Connection")
    return GOOD if done.is_valid else FOUND


@app.command("remove")
@reports_errors
def remove(connection: Connection, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Take the grant back at the vendor and forget it; contacts here and records there stay."""
    ensure_may_act(env_file)
    with open_connections(env_file) as opened:
        done = take_back(opened.db, opened.context, opened.row(connection), opened.now, _WHO)
    show(asdict(done), as_json, "Removed")
    return GOOD if done.was_revoked else FOUND


@app.command("rotate-key")
@reports_errors
def rotate_key(env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Make a new data key and encrypt every token by it. Safe to repeat after an interruption."""
    with open_connections(env_file) as opened:
        count = rotate_keys(opened.db, opened.context.vault)
    show({"encrypted_again": count}, as_json, "Key")
    return GOOD
