"""crm-relay bison: webhooks, accounts, deliveries and counters of every workspace."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from bison_poll.settings import Settings
from cli.console import (
    FOUND,
    GOOD,
    AsJson,
    EnvFile,
    console,
    ensure_may_act,
    installation_of,
    open_database,
    reports_errors,
    show,
)
from crm_relay.installation.installation import Installation
from crm_relay.outreach.models import Selection
from crm_relay.outreach.polling.ensure_webhooks import ensure_webhook, plan_webhook, prove_delivery
from crm_relay.outreach.polling.reconcile import reconcile
from crm_relay.outreach.polling.watch_webhooks import ROUTE
from crm_relay.outreach.replay_deliveries import count_deliveries, replay_deliveries
from crm_relay.outreach.reporting.rebuild_metrics import first_of_month, rebuild_metrics
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.platform.settings import SettingsModel, read_settings
from crm_relay.providers.bison.instance import instance_host
from crm_relay.sources.bison import bison_source

app = typer.Typer(no_args_is_help=True, help="Manage EmailBison's webhooks, sender accounts and counters.")
webhooks = typer.Typer(no_args_is_help=True, help="Manage the webhook in EmailBison.")
app.add_typer(webhooks, name="webhooks")

Workspace = Annotated[str | None, typer.Option("--workspace", help="Name of one workspace. Default: all of them.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_POLL_SECONDS = 900.0


class PublicSettings(SettingsModel):
    """Where EmailBison reaches us."""

    public_url: str | None = None


@webhooks.command("ensure")
@reports_errors
def ensure(
    url: Annotated[
        str | None, typer.Option("--url", help="Public base address of the HTTP API. Default: PUBLIC_URL.")
    ] = None,
    workspace: Workspace = None,
    dry_run: DryRun = False,
    no_test: Annotated[bool, typer.Option("--no-test", help="Send no test event.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Register or correct the webhook in every workspace.

    Notes the workspace's number and proves with a test event that deliveries arrive. Webhooks of others are never
    changed. Exit status 1: a workspace has a problem.
    """
    installation = installation_of(env_file, Settings)
    base = url or read_settings(PublicSettings).public_url
    if not base:
        raise FatalError("where EmailBison sends to is not known: give --url, or set PUBLIC_URL")
    base = base.rstrip("/").removesuffix(ROUTE.rstrip("/"))
    if not dry_run:
        ensure_may_act(env_file)
    rows = [
        _ensure(installation, name, base, dry_run=dry_run, test=not no_test) for name in installation.bisons(workspace)
    ]
    show(rows, as_json, "Webhooks")
    return FOUND if any(row["trouble"] or (dry_run and row["webhook"] != "kept") for row in rows) else GOOD


def _ensure(installation: Installation[Settings], name: str, base: str, *, dry_run: bool, test: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"workspace": name, "webhook": "", "arrived": None, "trouble": None}
    tokens = _living_tokens(installation.settings, name)
    if not tokens:
        return row | {"trouble": "no token in BISON_WEBHOOK_TOKENS"}
    try:
        bison = installation.bisons(name)[name]
        if dry_run:
            return row | {"webhook": plan_webhook(bison, base, tokens)}
        row["webhook"] = ensure_webhook(installation.database, bison, name, base, tokens, utc_now()).done
        if test:
            row["arrived"] = prove_delivery(installation.database, bison, name, base, tokens[0])
    except (TransientError, FatalError, RejectedInput) as error:
        return row | {"trouble": str(error)}
    return row | {"trouble": "the test event did not arrive" if row["arrived"] is False else None}


def _living_tokens(settings: Settings, name: str) -> list[str]:
    """Those that are valid now; the newest stands first."""
    return [each.token for each in settings.bison_webhook_tokens.get(name, ()) if each.is_alive(utc_now())]


@app.command("poll")
@reports_errors
def poll(workspace: Workspace = None, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Read the sender accounts now, as the schedule does.

    Exit status 1: a workspace failed.
    """
    from bison_poll.wiring import poll_accounts

    answer = poll_accounts(installation_of(env_file, Settings), workspace, Deadline.after(_POLL_SECONDS))
    show(answer, as_json, "Accounts")
    return GOOD if answer["success"] else FOUND


@app.command("replay")
@reports_errors
def replay(
    since: Annotated[str, typer.Option("--since", help="A time, or a number of hours such as 48h.")] = "24h",
    workspace: Workspace = None,
    event_type: Annotated[
        str | None, typer.Option("--type", help="One event type, named as EmailBison names it.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only deliveries that were refused or wait.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Apply deliveries of the inbox again.

    Counts them first and asks. An event that was counted before is not counted twice. Exit status 1: some were refused
    or unreadable.
    """
    selection = Selection(_moment(since), workspace, event_type.lower() if event_type else None, failed_only=failed)
    with open_database(env_file) as database:
        deliveries, waiting = count_deliveries(database, selection)
        counted = {"deliveries": deliveries, "waiting": waiting}
        if dry_run or not deliveries:
            show(counted, as_json, "A replay would take up")
            return GOOD
        if not (yes or as_json) and not typer.confirm(
            f"Replay {deliveries} deliveries, {waiting} of them for the first time?"
        ):
            console.print("Nothing was replayed.")
            return FOUND
        source = bison_source(instance_host(read_settings(Settings).bison_instance_url))
        done = replay_deliveries(database, selection, source, progress=_progress(deliveries, as_json=as_json))
    show(counted | asdict(done), as_json, "Replayed")
    return FOUND if done.refused or done.unreadable else GOOD


def _progress(total: int, *, as_json: bool) -> Callable[[int], None]:
    def show_progress(done: int) -> None:
        if not as_json:
            console.print(f"{done} of {total}")

    return show_progress


@app.command("rebuild-metrics")
@reports_errors
def rebuild(
    month: Annotated[str, typer.Option("--month", help="Month such as 2026-11.")],
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Recalculate a month's counters from the delivery log.

    With --dry-run, exit status 1 means that they differ.
    """
    try:
        first = first_of_month(month).isoformat()
    except ValueError:
        raise typer.BadParameter("a month such as 2026-11", param_hint="--month") from None
    with open_database(env_file) as database:
        drift = rebuild_metrics(database, first, dry_run=dry_run)
    show(drift, as_json, "Counters that differ" if dry_run else "Counters corrected")
    return FOUND if dry_run and drift else GOOD


@app.command("reconcile")
@reports_errors
def reconcile_totals(
    workspace: Workspace = None,
    settle_minutes: Annotated[
        int, typer.Option("--settle-minutes", min=0, help="Minutes after which a webhook counts as lost.")
    ] = 60,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Compare EmailBison's totals with what its webhooks reported.

    Fills in what is missing. Exit status 1: something was missing.
    """
    installation = installation_of(env_file, Settings)
    names: Sequence[str] = [workspace] if workspace else list(installation.settings.bison_api_tokens)
    settling = timedelta(minutes=settle_minutes)
    done = [reconcile(installation.database, name, utc_now(), fills=not dry_run, settling=settling) for name in names]
    rows = [
        {"workspace": each.workspace_name, "account_id": gap.account_id, "metric": gap.metric, "missing": gap.missing}
        for each in done
        for gap in each.gaps
    ]
    show(rows, as_json, "Missing")
    return FOUND if rows else GOOD


def _moment(text: str) -> datetime:
    try:
        if text.endswith("h") and text[:-1].isdecimal():
            return utc_now() - timedelta(hours=int(text[:-1]))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "a time such as 2026-11-20T08:00, or hours such as 48h", param_hint="--since"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
