"""crm-relay token: who may use the admin API."""

import os
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Literal

import typer

from cli.console import GOOD, AsJson, EnvFile, open_database, reports_errors, show
from crm_relay.operations.access.sign_in import LONGEST_MINUTES, make_link
from crm_relay.operations.access.tokens import create_token, list_tokens, revoke_token
from crm_relay.platform.clock import utc_now
from crm_relay.platform.errors import FatalError
from crm_relay.platform.http.callers import Role

app = typer.Typer(no_args_is_help=True, help="Manage named tokens of the admin API and its page.")


@app.command("create")
@reports_errors
def create(
    name: str,
    role: Annotated[Literal["read", "operate", "admin"], typer.Option("--role", help="Rights of the token.")] = "read",
    days: Annotated[int, typer.Option("--days", min=0, help="Days until the token expires; 0: never.")] = 90,
    user: Annotated[
        str | None,
        typer.Option("--user", help="Id or address of the colleague whose decisions the calls with it are."),
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Create a token and print it once."""
    now = utc_now()
    expires_at = now + timedelta(days=days) if days else None
    with open_database(env_file) as database:
        made = create_token(
            database, name, Role[role.upper()], expires_at=expires_at, created_by="operator", now=now, user=user
        )
    show(asdict(made), as_json, "Keep this token: it is shown this once")
    return GOOD


@app.command("link")
@reports_errors
def link(
    role: Annotated[
        Literal["read", "operate", "admin"], typer.Option("--role", help="Rights of who signs in.")
    ] = "read",
    minutes: Annotated[
        int, typer.Option("--minutes", min=1, max=LONGEST_MINUTES, help="Minutes until the link ends.")
    ] = 10,
    user: Annotated[
        str | None,
        typer.Option("--user", help="Id or address of the colleague whose decisions the session's are."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="Base address of the HTTP API. Default: PUBLIC_URL.")
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Create a link that signs in to the page once."""
    with open_database(env_file) as database:
        base = base_url or os.environ.get("PUBLIC_URL") or ""
        if not base:
            raise FatalError("where the page is, is not known: give --base-url, or set PUBLIC_URL")
        made = make_link(database, Role[role.upper()], utc_now(), minutes=minutes, created_by="operator", user=user)
    shown = {"link": made.address(base), "role": made.role, "expires_at": made.expires_at}
    show(shown, as_json, "Opens the page once")
    return GOOD


@app.command("list")
@reports_errors
def list_all(env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """List all tokens: role, creator, end and last use."""
    with open_database(env_file) as database:
        rows = [asdict(each) for each in list_tokens(database)]
    show(rows, as_json, "Tokens")
    return GOOD


@app.command("revoke")
@reports_errors
def revoke(name: str, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Revoke a token at once."""
    with open_database(env_file) as database:
        found = revoke_token(database, name, utc_now())
    show(asdict(found), as_json, "Revoked")
    return GOOD
