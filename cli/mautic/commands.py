"""crm-relay mautic: the sync, the setup and the audit of Mautic."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.console import FOUND, GOOD, AsJson, DryRun, EnvFile, installation_of, reports_errors, show, use_settings
from cli.mautic.setup import SetupOrder, set_up_mautic
from crm_relay.customers.audit import audit_everybody, repair
from crm_relay.customers.syncing.preview import as_answer, preview
from crm_relay.platform.clock import utc_now
from local.runtime.lambda_context import LocalLambdaContext
from local.stack_file import ROOT
from local.template.template import SamTemplate

app = typer.Typer(no_args_is_help=True, help="Synchronise customers and segments to Mautic.")
Full = Annotated[bool, typer.Option("--full", help="Compare every customer, as the nightly run does.")]


@app.command("sync")
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
        installed = installation()
        seen = preview(installed.database, installed.mautic, sync_options(installed.settings), utc_now())
        show(as_answer(seen), as_json, "What a run would do")
        return FOUND if seen.stopped else GOOD
    definition = SamTemplate.read(ROOT / "template.yaml").functions["mautic_sync"]
    answer: Mapping[str, Any] = sync_mautic(SyncOrder(full=full), LocalLambdaContext.of(definition))
    show(answer, as_json, "Mautic sync")
    return GOOD if answer["success"] and not answer["contacts_failed"] else FOUND


@app.command("setup")
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


@app.command("audit")
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
