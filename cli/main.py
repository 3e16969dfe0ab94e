"""crm-relay: all commands, each one short; what they do lives in the rooms."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.bison import app as bison
from cli.cache import app as cache
from cli.campaign import app as campaign
from cli.console import (
    FOUND,
    GOOD,
    AsJson,
    DatabaseSettings,
    EnvFile,
    console,
    installation_of,
    open_database,
    reports_errors,
    show,
    use_settings,
)
from cli.doctor import examine
from cli.erase import erase_person
from cli.integrity import app as integrity
from cli.mautic_setup import SetupOrder, set_up_mautic
from cli.token import app as token
from cli.why import explain_to_operator
from crm_relay.consent.grant import grant_consent
from crm_relay.consent.import_export import BadLine, export_ledger, import_ledger
from crm_relay.customers.audit import audit_everybody, repair
from crm_relay.customers.syncing.preview import as_answer, preview
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from crm_relay.platform.migrations import migrate as apply_migrations
from crm_relay.platform.migrations import read_migrations
from crm_relay.platform.settings import SettingsModel, read_settings
from crm_relay.webhooks.replay import list_deferred, replay_failed
from local.demo.round import run_demo
from local.runtime.execution import load_handler
from local.runtime.lambda_context import LocalLambdaContext
from local.serve import serve
from local.stack import ROOT, read_env_file
from local.template.template import SamTemplate

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
    help="Operate an installation of CRM Relay.",
)
mautic = typer.Typer(no_args_is_help=True, help="Synchronise customers and segments to Mautic.")
deferred = typer.Typer(no_args_is_help=True, help="Replay deliveries that could not be applied.")
consent = typer.Typer(no_args_is_help=True, help="Read and write the ledger of opt-outs and consents.")
for name, group in (
    ("mautic", mautic),
    ("bison", bison),
    ("cache", cache),
    ("integrity", integrity),
    ("campaign", campaign),
    ("deferred", deferred),
    ("consent", consent),
    ("token", token),
):
    app.add_typer(group, name=name)

Full = Annotated[bool, typer.Option("--full", help="Compare every customer, as the nightly run does.")]
Once = Annotated[bool, typer.Option("--once", help="End after the summary; exit status 1 if an expectation failed.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and change nothing.")]


@app.command()
@reports_errors
def up(env_file: EnvFile = None) -> int:
    """Run the local stack without sample data until Ctrl-C.

    It uses your own settings; what is not set is simulated.
    """
    return serve(_settings(env_file))


@app.command()
@reports_errors
def demo(
    once: Once = False,
    customers: Annotated[int, typer.Option(min=1000, help="Number of sample customers.")] = 5000,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Run the main job end to end with sample data.

    A table compares what was expected with what was found; then the stack stays up until Ctrl-C.
    """
    return run_demo(_settings(env_file), customers=customers, once=once, as_json=as_json)


@app.command()
@reports_errors
def migrate(dry_run: DryRun = False, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Apply the migrations that are missing.

    With --dry-run, exit status 1 means that some are missing.
    """
    use_settings(env_file)
    settings = read_settings(MigrationSettings)
    url = settings.migration_database_url or settings.database_url
    if url is None:
        raise FatalError("settings: MIGRATION_DATABASE_URL or DATABASE_URL: is not set")
    database = Database(url, ca_file=settings.database_ca_file, timeout=900.0)
    names = apply_migrations(database, read_migrations(ROOT / "migrations"), dry_run=dry_run)
    show({"missing" if dry_run else "applied": names or "nothing"}, as_json, "Migrations")
    return FOUND if dry_run and names else GOOD


class MigrationSettings(SettingsModel):
    """The session port where there is one; a transaction pooler would do for most files."""

    migration_database_url: str | None = None
    database_url: str | None = None
    database_ca_file: str | None = None


@app.command()
@reports_errors
def invoke(
    function: str,
    event: Annotated[
        Path | None, typer.Option("--event", help="JSON file with the event. Default: an empty event.")
    ] = None,
    env_file: EnvFile = None,
) -> int:
    """Run one function's handler as Lambda would and print its answer.

    Sample events are in events/<function>/.
    """
    use_settings(env_file)
    template = SamTemplate.read(ROOT / "template.yaml")
    if function not in template.functions:
        raise typer.BadParameter(f"there are {', '.join(template.functions)}", param_hint="function")
    definition = template.functions[function]
    payload = json.loads(event.read_text(encoding="utf-8")) if event else {}
    answer = load_handler(definition.handler)(payload, LocalLambdaContext.of(definition))
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    return GOOD


@mautic.command("sync")
@reports_errors
def mautic_sync(
    dry_run: DryRun = False,
    full: Full = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Send what changed to Mautic now.

    With --dry-run, count what would be sent and show sample differences. Exit status 1: a customer failed, or the run
    stopped itself.
    """
    from mautic_sync.order import SyncOrder
    from mautic_sync.wiring import installation, sync_options
    from mautic_sync.wiring import sync as sync_mautic

    use_settings(env_file)
    if dry_run:
        here = installation()
        seen = preview(here.database, here.mautic, sync_options(here.settings), utc_now())
        show(as_answer(seen), as_json, "What a run would do")
        return FOUND if seen.stopped else GOOD
    definition = SamTemplate.read(ROOT / "template.yaml").functions["mautic_sync"]
    answer: Mapping[str, Any] = sync_mautic(SyncOrder(full=full), LocalLambdaContext.of(definition))
    show(answer, as_json, "Mautic sync")
    return GOOD if answer["success"] and not answer["contacts_failed"] else FOUND


@mautic.command("setup")
@reports_errors
def mautic_setup(
    url: Annotated[
        str | None, typer.Option("--url", help="Address that Mautic sends to. Default: PUBLIC_URL and the route.")
    ] = None,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    no_test: Annotated[bool, typer.Option("--no-test", help="Send no test event.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Create the contact fields, segments and the webhook that Mautic lacks.

    Lists what it will do, asks, does it, and proves with a test event that deliveries arrive. Nothing that exists is
    changed. Exit status 1: something is left for an administrator of Mautic.
    """
    return set_up_mautic(SetupOrder(url, dry_run, not (yes or as_json), not no_test, as_json, env_file))


@mautic.command("audit")
@reports_errors
def mautic_audit(
    mend: Annotated[
        bool,
        typer.Option(
            "--repair", help="Have the next run rewrite contacts that differ, and record opt-outs that were missed."
        ),
    ] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Compare every contact in Mautic with its customer.

    Exit status 1: they differ.
    """
    from mautic_sync.settings import Settings

    installation = installation_of(env_file, Settings, database_seconds=70.0)
    audit = audit_everybody(installation.database, installation.mautic, utc_now())
    if mend:
        repair(installation.database, audit, utc_now())
    show(audit.answer(), as_json, "Audit")
    return FOUND if audit.findings else GOOD


@deferred.command("list")
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


@deferred.command("replay")
@reports_errors
def deferred_replay(env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Send failed deliveries to the deferred queue again.

    webhook_replay applies each of them once. Exit status 1: some are unreadable and stay.
    """
    installation = installation_of(env_file, ReplaySettings)
    done = replay_failed(installation.database, installation.deferred)
    show(asdict(done), as_json, "Replayed")
    return FOUND if done.unreadable else GOOD


@consent.command("grant")
@reports_errors
def consent_grant(
    address: str,
    evidence: Annotated[str, typer.Option("--evidence", help="How the consent can be proven.")],
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Record a re-consent, the only way out of an opt-out.

    Exit status 1: the consent is recorded, but something else still mutes the customer.
    """
    with open_database(env_file) as database:
        granted = grant_consent(database, address, evidence=evidence, granted_by="operator", now=utc_now())
    show(asdict(granted), as_json, "Consent recorded")
    return FOUND if granted.do_not_contact or granted.invalid_address else GOOD


@consent.command("import")
@reports_errors
def consent_import(file: Path, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Import a suppression list from a CSV file.

    Columns: address, kind (opt_out, hard_bounce or complaint), occurred_at. Safe to repeat. Exit status 1: some lines
    were reported and left out.
    """
    bad: list[BadLine] = []
    with open_database(env_file) as database, file.open(encoding="utf-8", newline="") as lines:
        imported = import_ledger(database, lines, bad.append)
    show({**asdict(imported), "bad_lines": [asdict(each) for each in bad]}, as_json, "Imported")
    return FOUND if bad else GOOD


@consent.command("export")
@reports_errors
def consent_export(file: Path, env_file: EnvFile = None) -> int:
    """Export the whole ledger to a CSV file."""
    with open_database(env_file) as database, file.open("w", encoding="utf-8", newline="") as target:
        console.print(f"{export_ledger(database, target)} lines")
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
    checks = examine()
    show([asdict(each) for each in checks], as_json, "Doctor")
    return FOUND if any(each.verdict == "wrong" for each in checks) else GOOD


def _settings(env_file: Path | None) -> dict[str, str]:
    return {**os.environ, **(read_env_file(env_file) if env_file else {})}
