"""crm-relay campaign: what belongs to the mail provider, its webhook and paused senders."""

from typing import Annotated
from uuid import UUID

import typer

from cli.console import GOOD, EnvFile, console, ensure_may_act, installation_of, open_database, reports_errors
from crm_relay.mail.senders.watch_senders import resume_sender
from crm_relay.mail.sending.record_answer import OWN_SENDER
from crm_relay.platform.clock import utc_now
from crm_relay.platform.settings import SettingsModel
from crm_relay.providers.resend import API_URL
from crm_relay.providers.resend.client import Resend
from crm_relay.providers.resend.vocabulary import HOOK_EVENTS

app = typer.Typer()
_ROUTE = "/webhooks/resend"


class ResendSettings(SettingsModel):
    """An account of Resend's, by a key with full access."""

    resend_api_key: str
    resend_api_url: str = API_URL
    public_url: str | None = None


@app.command("webhook")
@reports_errors
def register_webhook(
    url: Annotated[
        str | None, typer.Option("--url", help="Public base address of the HTTP API. Default: PUBLIC_URL.")
    ] = None,
    env_file: EnvFile = None,
) -> int:
    """Register or correct the webhook in Resend.

    The signing secret of a new webhook is printed once.
    """
    installation = installation_of(env_file, ResendSettings)
    settings = installation.settings
    base = (url or settings.public_url or "").rstrip("/")
    if not base.startswith("https://") and not base.startswith("http://127.0.0.1"):
        raise typer.BadParameter("the whole address, such as https://crm.example.com", param_hint="--url")
    ensure_may_act(env_file)
    http = installation.http(settings.resend_api_url, read_seconds=20.0)
    ensured = Resend(http, settings.resend_api_key).ensure_webhook(f"{base}{_ROUTE}", HOOK_EVENTS)
    console.print("Registered." if ensured.changed else "It was registered already.", highlight=False)
    if ensured.signing_secret is not None:
        console.print("For RESEND_WEBHOOK_SECRET; it is shown this once:", highlight=False)
        typer.echo(ensured.signing_secret)
    return GOOD


@app.command("resume-sender")
@reports_errors
def resume_paused_sender(
    sender: Annotated[
        str, typer.Argument(help="Id of the sender in email_identities, or EMAIL_FROM; see the incident.")
    ],
    env_file: EnvFile = None,
) -> int:
    """Let a sender send again that was paused for bounces or complaints."""
    with open_database(env_file) as database:
        resume_sender(database, _sender(sender), utc_now())
    console.print("It sends again.")
    return GOOD


def _sender(called: str) -> UUID | None:
    if called == OWN_SENDER:
        return None
    try:
        return UUID(called)
    except ValueError:
        raise typer.BadParameter("an id, or EMAIL_FROM", param_hint="SENDER") from None
