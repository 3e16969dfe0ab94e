"""crm-relay erase: who and what would be reached, the question, and the receipt."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import model_validator

from cli.console import FOUND, GOOD, WRONG_USE, AsJson, DryRun, EnvFile, installation_of, reports_errors, show
from crm_relay.customers.models import SyncOptions, SyncReport
from crm_relay.customers.run import SyncContext
from crm_relay.operations.erase import ErasureScope, erase, preview
from crm_relay.operations.rooms import LeftOutRooms
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.settings import SettingsModel

_PATIENCE_SECONDS = 120.0
"""How long to wait for a run of the sync to end."""


class EraseSettings(SettingsModel):
    """Every place that an erasure goes to has to be known: one that is not named would not be erased.

    Only a room in `left_out_rooms` may be without its settings.
    """

    database_url: str
    database_ca_file: str | None = None
    left_out_rooms: LeftOutRooms = ()
    mautic_url: str = ""
    mautic_client_id: str = ""
    mautic_client_secret: str = ""
    mautic_request_timeout_seconds: float = 120.0
    mautic_lease_seconds: float = 180.0
    coordination_table: str
    deferred_queue_url: str
    oversize_bucket: str
    edge_cache_table: str | None = None

    @model_validator(mode="after")
    def _rooms_are_known_or_left_out(self) -> "EraseSettings":
        mautic = ("mautic_url", "mautic_client_id", "mautic_client_secret")
        needed = {"mautic": mautic, "edge_cache": ("edge_cache_table",)}
        missing = [
            name.upper()
            for room, names in needed.items()
            if room not in self.left_out_rooms
            for name in names
            if not getattr(self, name)
        ]
        if missing:
            raise ValueError(f"{', '.join(missing)}: not set, and LEFT_OUT_ROOMS does not name the room")
        return self


@reports_errors
def erase_person(
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
    installation = installation_of(env_file, EraseSettings, database_seconds=70.0)
    lease = installation.lease(f"mautic:{installation.settings.mautic_url}", installation.settings.mautic_lease_seconds)
    deadline, report = Deadline.after(_PATIENCE_SECONDS), SyncReport(utc_now())
    run = SyncContext(installation.database, installation.mautic, lease, SyncOptions(), utc_now, deadline, report)
    try:
        left_out = installation.settings.left_out_rooms
        edge = None if "edge_cache" in left_out else installation.edge_table
        yield ErasureScope(run, installation.deferred, edge, has_mautic="mautic" not in left_out)
    finally:
        installation.close()
