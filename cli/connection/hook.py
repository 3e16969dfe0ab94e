"""crm-relay connection hook: how the other side reports at once."""

from cli.connection.commands import Connection, app
from cli.connection.opened import open_connections
from cli.console import GOOD, AsJson, EnvFile, ensure_may_act, reports_errors, show
from crm_relay.connections.audiences.ensure_hook import ensure_hook

__all__ = ["app"]


@app.command("hook")
@reports_errors
def hook(connection: Connection, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Make the webhook of an audience of Mailchimp, so that who leaves there is muted at once. Safe to run twice.

    A signing secret is printed once: add it to MAILCHIMP_SIGNING_SECRETS.
    """
    ensure_may_act(env_file)
    with open_connections(env_file) as opened:
        settings = opened.settings
        made = ensure_hook(opened.sync(connection), settings.public_url or "", settings.mailchimp_webhook_key)
    secret = {} if made.signing_secret is None else {"signing_secret": made.signing_secret}
    show({"created": made.is_new, **secret}, as_json, "Webhook")
    return GOOD
