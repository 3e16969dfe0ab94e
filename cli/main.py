"""crm-relay: all commands, each one short; what they do lives in the rooms."""

from dataclasses import asdict
from typing import Annotated

import typer

from cli.aws.dead_letter import app as dead_letter
from cli.aws.secret import app as secret
from cli.bison import app as bison
from cli.cache import app as cache
from cli.campaign.commands import app as campaign
from cli.campaign.sending import resume_sending, stop_sending
from cli.campaign.topic import app as topic
from cli.connection.hook import app as connection
from cli.connection.pitches import app as pitch
from cli.consent import app as consent
from cli.console import (
    FOUND,
    GOOD,
    AsJson,
    DatabaseSettings,
    DryRun,
    EnvFile,
    reports_errors,
    show,
    use_settings,
)
from cli.cost.command import show_cost
from cli.deferred import app as deferred
from cli.doctor.examine import examine
from cli.erase import erase_person
from cli.imports.import_people import import_people
from cli.incident import app as incident
from cli.init.commands import init
from cli.integrity import app as integrity
from cli.mautic.commands import app as mautic
from cli.notification.commands import app as notification
from cli.output.errors import CrmRelayCommands
from cli.output.version import show_version
from cli.samples.invoke import invoke_function
from cli.samples.sam import app as sam
from cli.stack.commands import demo, reset, up
from cli.token import app as token
from cli.uninstall.command import uninstall_installation
from cli.uninstall.owner import open_as_owner
from cli.webhook import app as webhook
from cli.why import explain_to_operator
from cli.workflow.approvals import app as approval
from cli.workflow.commands import app as workflow
from crm_relay.platform.database import Database
from crm_relay.platform.fence.clone_fence import arm, is_armed
from crm_relay.platform.migrations import migrate as apply_migrations
from crm_relay.platform.migrations import read_migrations
from crm_relay.platform.settings import read_settings
from local.stack_file import ROOT

app = typer.Typer(
    cls=CrmRelayCommands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
    help="Operate an installation of CRM Relay.",
    epilog="Exit status: 0 good, 1 found something, 2 wrong use or wrong settings, 130 Ctrl-C.",
)


@app.callback()
def _first(
    _: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Operate an installation of CRM Relay."""


for name, group in (
    ("mautic", mautic),
    ("bison", bison),
    ("cache", cache),
    ("integrity", integrity),
    ("incident", incident),
    ("campaign", campaign),
    ("notification", notification),
    ("workflow", workflow),
    ("approval", approval),
    ("connection", connection),
    ("pitch", pitch),
    ("deferred", deferred),
    ("consent", consent),
    ("secret", secret),
    ("dead-letter", dead_letter),
    ("token", token),
    ("sam", sam),
    ("topic", topic),
    ("webhook", webhook),
):
    app.add_typer(group, name=name)

app.command("init")(init)
app.command("up")(up)
app.command("demo")(demo)
app.command("reset")(reset)
app.command("stop-sending")(stop_sending)
app.command("resume-sending")(resume_sending)
app.command("import")(import_people)
app.command("invoke")(invoke_function)
app.command("cost")(show_cost)
app.command("uninstall")(uninstall_installation)


@app.command()
@reports_errors
def migrate(dry_run: DryRun = False, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Apply the migrations that are missing.

    With --dry-run, exit status 1 means that some are missing.
    """
    use_settings(env_file)
    with open_as_owner() as database:
        names = apply_migrations(database, read_migrations(ROOT / "migrations"), dry_run=dry_run)
    show({"missing" if dry_run else "applied": names or "nothing"}, as_json, "Migrations")
    return FOUND if dry_run and names else GOOD


@app.command("arm")
@reports_errors
def arm_installation(dry_run: DryRun = False, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Let this installation act: say that its database is in the right place.

    Needed after a restore or a copy into another project or server; until then nothing is sent, muted or posted. With
    --dry-run, exit status 1 means that it is not armed.
    """
    use_settings(env_file)
    settings = read_settings(DatabaseSettings)
    database = Database(settings.database_url, ca_file=settings.database_ca_file)
    if dry_run:
        armed = is_armed(database)
        show({"armed": armed}, as_json, "Clone fence")
        return GOOD if armed else FOUND
    show({"armed": True} | asdict(arm(database)), as_json, "Clone fence")
    return GOOD


@app.command()
@reports_errors
def why(who: str, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Show what is known about a person, and why they are in Mautic as they are.

    WHO is an address, a customer id or a contact id of Mautic. Exit status 1: nothing is known.
    """
    return explain_to_operator(who, env_file, as_json=as_json)


@app.command()
@reports_errors
def erase(
    who: str,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Erase a person everywhere.

    WHO is an address, a customer id or a contact id of Mautic. A salted hash stays, which blocks the return. Prints a
    receipt. Exit status 1: some place was not reached; repeat the command later.
    """
    return erase_person(who, env_file, dry_run=dry_run, yes=yes, as_json=as_json)


@app.command()
@reports_errors
def doctor(env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Check settings, database, queues, Mautic, and every workspace of EmailBison.

    Exit status 1: something is wrong.
    """
    use_settings(env_file)
    read_settings(DatabaseSettings)
    checks = examine()
    show([asdict(each) for each in checks], as_json, "Doctor")
    return FOUND if any(each.verdict == "wrong" for each in checks) else GOOD
