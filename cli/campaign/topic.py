"""crm-relay topic: what topics of the e-mail provider are called in campaigns."""

import typer

from cli.console import GOOD, AsJson, EnvFile, open_database, reports_errors, show
from crm_relay.mail.feedback.name_topic import name_topic, topics_of_provider
from crm_relay.platform.clock import utc_now
from crm_relay.sources.resend import NAME

app = typer.Typer(no_args_is_help=True, help="Name the topics of the e-mail provider as campaigns do.")


@app.command("name")
@reports_errors
def name(external_id: str, topic: str, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Give a topic at Resend the name that campaigns use: an opt-out from it there then counts here.

    Opt-outs that came before count too.
    """
    with open_database(env_file) as database:
        found = name_topic(database, NAME, external_id, topic, utc_now())
    show({"topic": topic, "opt_outs": found}, as_json, "Named")
    return GOOD


@app.command("list")
@reports_errors
def list_all(env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """List the topics at Resend that have a name here."""
    with open_database(env_file) as database:
        rows = topics_of_provider(database, NAME)
    show(rows, as_json, "Topics")
    return GOOD
