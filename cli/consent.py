"""crm-relay consent: the ledger of opt-outs and consents."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, console, open_database, reports_errors, show
from crm_relay.consent.grant import grant_consent
from crm_relay.consent.import_export import BadLine, export_ledger, import_ledger
from crm_relay.platform.clock import utc_now

app = typer.Typer(no_args_is_help=True, help="Read and write the ledger of opt-outs and consents.")


@app.command("grant")
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


@app.command("import")
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


@app.command("export")
@reports_errors
def consent_export(file: Path, env_file: EnvFile = None) -> int:
    """Export the whole ledger to a CSV file."""
    with open_database(env_file) as database, file.open("w", encoding="utf-8", newline="") as target:
        console.print(f"{export_ledger(database, target)} lines")
    return GOOD
