"""crm-relay --version."""

from importlib.metadata import version

import typer

from local.stack_file import ROOT


def show_version(wanted: bool) -> None:
    """The program's, and that of the newest migration, which a database of this version has."""
    if wanted:
        from crm_relay.platform.migrations import read_migrations

        newest = read_migrations(ROOT / "migrations")[-1]
        typer.echo(f"crm-relay {version('crm-relay')}, schema {newest.version}")
        raise typer.Exit
