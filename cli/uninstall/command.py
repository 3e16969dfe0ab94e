"""crm-relay uninstall: shows what would go, asks, and takes the installation out of the database."""

import tomllib
from typing import Annotated

import typer

from cli.console import GOOD, WRONG_USE, AsJson, DryRun, EnvFile, reports_errors, show, use_settings
from cli.uninstall.owner import open_as_owner
from cli.uninstall.remove import Uninstalled, count_rows, database_name, uninstall
from crm_relay.platform.database import Database
from crm_relay.platform.migrations import migrate, read_migrations
from crm_relay.platform.postgres.catalogue import Catalogue, read_catalogue
from local.postgres import EmbeddedPostgres
from local.stack_file import ROOT

_NOT_REMEMBERED = "what was there before is not known: every table of the CRM stays with its columns"


@reports_errors
def uninstall_installation(
    with_data: Annotated[
        bool,
        typer.Option("--with-data", help="Also drop the tables and columns of the migrations, with their rows."),
    ] = False,
    confirm: Annotated[
        str | None, typer.Option("--confirm", help="Name of the database, instead of typing it when asked.")
    ] = None,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Take the installation out of the database, after `sam delete`.

    Without --with-data, triggers, functions and views go and every row stays. Objects that were there before the
    first migration are never touched. Where somebody's own object depends on one that would go, nothing is removed.
    """
    use_settings(env_file)
    tables = tomllib.loads((ROOT / "schema" / "owners.toml").read_text(encoding="utf-8"))["crm"]["tables"]
    made = _made_by_migrations()
    with open_as_owner() as database:
        foreseen = uninstall(database, made, tables, with_data=with_data, dry_run=True)
        name = database_name(database)
        if dry_run or not as_json:
            _describe(database, foreseen, as_json, f"Would be removed from the database {name}")
        if dry_run:
            return GOOD
        if not _agrees(name, confirm):
            typer.echo("nothing was removed: that is not the name of the database", err=True)
            return WRONG_USE
        done = uninstall(database, made, tables, with_data=with_data, dry_run=False)
        show({"removed": done.removed, "tables": done.tables}, as_json, f"Removed from the database {name}")
    return GOOD


def _describe(database: Database, foreseen: Uninstalled, as_json: bool, title: str) -> None:
    rows = count_rows(database, foreseen.tables)
    found: dict[str, object] = {"removed": foreseen.removed, "rows, about": {k: n for k, n in rows.items() if n}}
    if not foreseen.is_remembered:
        found["note"] = _NOT_REMEMBERED
    show(found, as_json, title)


def _agrees(name: str, confirm: str | None) -> bool:
    return (confirm or typer.prompt(f"Type the name of the database ({name}) to remove this")) == name


def _made_by_migrations() -> Catalogue:
    """Read from an empty database on this machine, so that no list of it has to be kept."""
    server = EmbeddedPostgres.start()
    try:
        server.execute("create database made")
        database = Database(server.url("made"))
        migrate(database, read_migrations(ROOT / "migrations"))
        made = read_catalogue(database)
        database.close()
    finally:
        server.stop(at_once=True)
    return made
