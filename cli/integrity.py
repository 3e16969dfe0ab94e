"""crm-relay integrity: checks, fixes with a limit, and the way back."""

from dataclasses import asdict
from typing import Annotated

import typer

from cli.console import FOUND, GOOD, AsJson, EnvFile, installation_of, open_database, reports_errors, show
from crm_relay.integrity.models import CHECKS, CheckOrder, CheckReport
from crm_relay.integrity.rebuild_totals import rebuild_totals
from crm_relay.platform.clock import Deadline
from crm_relay.platform.errors import TransientError
from integrity_check.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Check stored data, fix it, and revert fixes.")

_CHECK_SECONDS = 900.0


@app.command("check")
@reports_errors
def check(
    fix: Annotated[
        bool, typer.Option("--fix", help="Fix what may be fixed automatically, as the nightly run does.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Read everything at the edge, not only the buckets that differ.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done and change nothing.")] = False,
    approve: Annotated[
        list[str] | None, typer.Option("--approve", help="Check whose fixes may exceed INTEGRITY_FIX_CAP. Repeatable.")
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Run every integrity check now.

    With --dry-run, show what would be fixed. Exit status 1: a check found something, or could not look everywhere.
    """
    approved = frozenset(approve or ())
    if not approved <= set(CHECKS):
        raise typer.BadParameter(f"there are {', '.join(CHECKS)}", param_hint="--approve")
    # The engine of the checks is imported by those commands alone that run it.
    from integrity_check.wiring import check_installation

    installation = installation_of(env_file, Settings)
    order = CheckOrder(full, fix, dry_run, approved, installation.settings.integrity_fix_cap, "operator")
    report = check_installation(installation, order, Deadline.after(_CHECK_SECONDS))
    if report is None:
        raise TransientError("another check is running")
    _show(report, as_json=as_json)
    return FOUND if report.found or any(each.unseen for each in report.results) else GOOD


@app.command("revert")
@reports_errors
def revert(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="Number of a fix, or run-N for all fixes of a run.")],
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Revert fixes.

    Exit status 1: a row that was fixed has changed since and was left alone.
    """
    from integrity_check.wiring import revert_fixes

    done = revert_fixes(installation_of(env_file, Settings), wanted, "operator")
    show(asdict(done), as_json, "Taken back")
    return FOUND if done.left else GOOD


@app.command("rebuild-totals")
@reports_errors
def rebuild(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done and change nothing.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Recalculate the totals of campaigns from their rows.

    With --dry-run, exit status 1 means that they differ.
    """
    with open_database(env_file) as database:
        drift = rebuild_totals(database, dry_run=dry_run)
    show(drift, as_json, "Totals that differ" if dry_run else "Totals corrected")
    return FOUND if dry_run and drift else GOOD


def _show(report: CheckReport, *, as_json: bool) -> None:
    findings = [{"check": each.check, **finding} for each in report.results for finding in each.findings]
    if as_json:
        show(report.as_json() | {"findings": findings}, as_json, "")
        return
    counts = [{"check": each.check, "unseen": "", **each.as_counts()} for each in report.results]
    show(counts, as_json, "Dry run" if report.run_id is None else f"run-{report.run_id}")
    columns = ("check", "entity", "row", "what", "mended_by")
    show([{name: finding[name] for name in columns} for finding in findings], as_json, "Findings")
