"""crm-relay cache: replication to the edge and back, conflicts, full resyncs."""

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cache_sync.order import CacheOrder, read_order
from cache_sync.settings import Settings
from cache_sync.wiring import sync_cache
from cli.console import FOUND, GOOD, AsJson, EnvFile, console, installation_of, open_database, reports_errors, show
from crm_relay.edge_cache.keys import BUCKETS, ENTITIES, Entity
from crm_relay.edge_cache.replication.conflicts import conflict, list_conflicts, revert
from crm_relay.edge_cache.replication.discard import discard, list_parked, retry
from crm_relay.edge_cache.replication.replicate import allow_shrink
from crm_relay.edge_cache.replication.resync import ignore_progress
from crm_relay.edge_cache.replication.resync_store import ResyncState
from crm_relay.edge_cache.status import recent_runs, sync_status
from crm_relay.installation.installation import Installation
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.errors import RejectedInput

app = typer.Typer(no_args_is_help=True, help="Replicate between PostgreSQL and the DynamoDB cache at the edge.")

Names = Annotated[list[str] | None, typer.Argument(help=f"Some of {', '.join(ENTITIES)}. Default: all.")]
AllowShrink = Annotated[
    bool, typer.Option("--allow-shrink", help="Allow the deletion of all rows that disappeared, for one hour.")
]
# Each round has the lease for itself, so it must be shorter than that.
_ROUND_SECONDS = 600.0
_PAUSE_SECONDS = 2.0
_SHRINK_ALLOWED = timedelta(hours=1)
WHO = "operator"


@app.command("sync")
@reports_errors
def sync(
    direction: Annotated[str, typer.Option("--direction", help="to_cache, to_postgres or both.")] = "both",
    entities: Names = None,
    allow: AllowShrink = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Bring back what was written at the edge, then send there what changed.

    Exit status 1: something is parked or held back.
    """
    installation = installation_of(env_file, Settings)
    # What was edited at the edge comes first: it stands in the way of what is sent there.
    wanted = ["to_postgres", "to_cache"] if direction == "both" else [direction]
    orders = [_order(each, entities) for each in wanted]
    if allow:
        allow_shrink(installation.database, _names(entities), until=utc_now() + _SHRINK_ALLOWED)
    answers = [_until_finished(installation, order) for order in orders]
    show(answers, as_json, "Edge cache")
    return FOUND if any(each.get("parked") or each.get("held_back") for each in answers) else GOOD


@app.command("resync")
@reports_errors
def resync(
    entities: Names = None,
    allow: AllowShrink = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Rewrite everything at the edge and delete what PostgreSQL does not have.

    Readers never see a gap. It can be stopped and started again. Exit status 1: it was held back.
    """
    installation = installation_of(env_file, Settings)
    if allow:
        allow_shrink(installation.database, _names(entities), until=utc_now() + _SHRINK_ALLOWED)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}  {task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=console,
        disable=as_json,
    ) as progress:
        answer = _until_finished(installation, _order("resync", entities), _watch(progress))
    show(answer, as_json, "Resync")
    return GOOD if all(each["phase"] == "done" for each in answer.get("entities", ())) else FOUND


def _until_finished(
    installation: Installation[Settings], order: CacheOrder, progress: Callable[[ResyncState], None] = ignore_progress
) -> dict[str, Any]:
    """Round by round, as the schedule would do it; between two of its rounds it waits for runs of others."""
    has_begun = False
    while True:
        answer = sync_cache(installation, order, Deadline.after(_ROUND_SECONDS), progress)
        stepped_aside = "stepped_aside" in answer
        if (stepped_aside and not has_begun) or (not stepped_aside and _is_finished(answer)):
            return answer
        if stepped_aside:
            time.sleep(_PAUSE_SECONDS)
        has_begun = True


def _is_finished(answer: dict[str, Any]) -> bool:
    return all(each["finished"] for each in answer.get("entities", (answer,)))


def _watch(progress: Progress) -> Callable[[ResyncState], None]:
    """A bar an entity: rows while they are written, then buckets while the rest is cleared away."""
    bars: dict[tuple[int, str], Any] = {}
    began: dict[tuple[int, str], tuple[float, int]] = {}

    def show_progress(state: ResyncState) -> None:
        is_writing = state.phase == "write"
        done, total = (state.written, max(state.total, 1)) if is_writing else (state.next_bucket, BUCKETS)
        key = (state.id, "write" if is_writing else "sweep")
        start, at_start = began.setdefault(key, (time.monotonic(), done))
        seconds = time.monotonic() - start
        rate = f"{(done - at_start) / seconds:,.0f} {'rows' if is_writing else 'buckets'}/s" if seconds > 0 else ""
        if key not in bars:
            what = f"{state.entity}: {'writing' if is_writing else 'clearing away'}"
            bars[key] = progress.add_task(what, total=total, rate=rate)
        progress.update(bars[key], completed=done, rate=rate)

    return show_progress


@app.command("status")
@reports_errors
def status(env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Show both directions: last success, what waits and what is parked.

    Exit status 1: one is not healthy.
    """
    installation = installation_of(env_file, Settings)
    found = sync_status(installation.database, installation.edge_table, utc_now())
    show([asdict(each) for each in found.directions], as_json, "Edge cache")
    if not as_json:
        show([asdict(each) for each in found.resyncs], as_json, "Resyncs that run")
        show(recent_runs(installation.database, limit=10), as_json, "Latest runs")
    return GOOD if found.healthy else FOUND


@app.command("parked")
@reports_errors
def parked(env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """List rows and edits that could not be written, with the reason.

    Exit status 1: there are some.
    """
    with open_database(env_file) as database:
        rows = [asdict(each) for each in list_parked(database, limit=500)]
    show(rows, as_json, "Parked")
    return FOUND if rows else GOOD


@app.command("retry")
@reports_errors
def retry_parked(
    entity: Annotated[str | None, typer.Argument(help=f"One of {', '.join(ENTITIES)}.")] = None,
    row_id: Annotated[UUID | None, typer.Argument(metavar="ID", help="Id of the row.")] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Have the next sync try again what is parked: everything, or one row."""
    installation = installation_of(env_file, Settings)
    if (entity is None) != (row_id is None):
        raise RejectedInput("an entity and an id, or neither", status=422)
    wanted = None if entity is None or row_id is None else (_names([entity])[0], row_id)
    tried = retry(installation.database, installation.edge_table, utc_now(), wanted=wanted)
    show({"tried_again": tried}, as_json, "Parked")
    return GOOD


@app.command("discard")
@reports_errors
def discard_edit(
    entity: Annotated[str, typer.Argument(help=f"One of {', '.join(ENTITIES)}.")],
    row_id: Annotated[UUID, typer.Argument(metavar="ID", help="Id of the row.")],
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Discard a parked edit: the edge gets the version of PostgreSQL.

    The edit is kept as a conflict that PostgreSQL won.
    """
    installation = installation_of(env_file, Settings)
    (name,) = _names([entity])
    done = discard(installation.database, installation.edge_table, name, row_id, utc_now(), who=WHO)
    show(asdict(done), as_json, "Discarded")
    return GOOD


@app.command("conflicts")
@reports_errors
def conflicts(
    conflict_id: Annotated[int | None, typer.Argument(help="Number of one conflict, shown with both versions.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Include conflicts that were reverted.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """List rows that both sides changed, and which version won.

    Exit status 1: there are some.
    """
    with open_database(env_file) as database:
        if conflict_id is not None:
            show(conflict(database, conflict_id), as_json, "Conflict")
            return GOOD
        rows = list_conflicts(database, open_only=not everything)
    show(rows, as_json, "Conflicts")
    return FOUND if rows else GOOD


@app.command("revert")
@reports_errors
def revert_conflict(conflict_id: int, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Restore the version that lost.

    It reaches the edge with the next sync.
    """
    with open_database(env_file) as database:
        done = revert(database, conflict_id, who=WHO, now=utc_now())
    show({"reverted": conflict_id, "entity": done["entity"], "row": str(done["row_id"])}, as_json, "Reverted")
    return GOOD


def _order(direction: str, entities: list[str] | None) -> CacheOrder:
    return read_order({"direction": direction, "entities": entities or None, "ordered_by": WHO})


def _names(entities: list[str] | None) -> list[Entity]:
    return [each for each in ENTITIES if not entities or each in entities]
