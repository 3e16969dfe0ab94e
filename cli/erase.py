"""crm-relay erase: who and what would be reached, the question, and the receipt."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import typer

from cli.console import FOUND, GOOD, WRONG_USE, show, use_settings
from crm_relay.customers.models import SyncOptions, SyncReport
from crm_relay.customers.run import SyncContext
from crm_relay.edge_cache.dynamo.dynamo_table import DynamoTable
from crm_relay.operations.erase import ErasureScope, erase, preview
from crm_relay.platform.aws.lease import Lease
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.settings import SettingsModel, read_settings
from crm_relay.providers.mautic.client import Mautic
from crm_relay.webhooks.defer import Deferred

_PATIENCE_SECONDS = 120.0
"""How long to wait for a run of the sync to end."""


class EraseSettings(SettingsModel):
    """Every place that an erasure goes to has to be known: one that is left out would not be erased."""

    database_url: str
    database_ca_file: str | None = None
    mautic_url: str
    mautic_client_id: str
    mautic_client_secret: str
    mautic_request_timeout_seconds: float = 120.0
    mautic_lease_seconds: float = 180.0
    coordination_table: str
    deferred_queue_url: str
    oversize_bucket: str
    edge_cache_table: str


def erase_person(who: str, env_file: Path | None, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    """The whole command; its exit code."""
    with _open_scope(env_file) as scope:
        if dry_run or not yes:
            seen = preview(scope, who)
            if dry_run or not as_json:
                show(asdict(seen), as_json, "What an erasure would reach")
            if dry_run:
                return GOOD
            if len(seen.customers) > 1:
                typer.echo(f"{len(seen.customers)} customers share an address and count as one person.", err=True)
            if not typer.confirm("Erase this for good?", err=True):
                return WRONG_USE
        receipt = erase(scope, who)
    show(receipt.as_json(), as_json, "Receipt")
    return GOOD if receipt.is_complete else FOUND


@contextmanager
def _open_scope(env_file: Path | None) -> Iterator[ErasureScope]:
    use_settings(env_file)
    settings = read_settings(EraseSettings)
    database = Database(settings.database_url, ca_file=settings.database_ca_file, timeout=70.0)
    http = HttpClient(settings.mautic_url, timeout=(5.0, settings.mautic_request_timeout_seconds))
    mautic = Mautic(http, settings.mautic_client_id, settings.mautic_client_secret)
    lease = Lease(settings.coordination_table, f"mautic:{settings.mautic_url}", settings.mautic_lease_seconds)
    run = SyncContext(
        database, mautic, lease, SyncOptions(), utc_now, Deadline.after(_PATIENCE_SECONDS), SyncReport(utc_now())
    )
    try:
        deferred = Deferred(settings.deferred_queue_url, settings.oversize_bucket)
        yield ErasureScope(run, deferred, DynamoTable(settings.edge_cache_table))
    finally:
        database.close()
