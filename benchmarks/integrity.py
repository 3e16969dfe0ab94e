"""One changed row in a million: what share of the items is read to find it, and how long PostgreSQL takes to sum."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from benchmarks.figures import Figure, Subject
from benchmarks.servers import Login, Servers
from crm_relay.integrity import store
from crm_relay.integrity.compare_sides import look_for_drift
from crm_relay.integrity.models import Inspection
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from tests.support.platform.filled_twin import FilledTwin
from tests.support.platform.rows import one

_PROSPECTS = 1_000_000
_FIND_SECONDS = 600.0

_MILLION = """
    insert into prospects (name, city, country, contact_name, contact_email, stage, score, updated_at)
    select 'Company ' || n, 'City ' || n % 500, 'PT', 'Person ' || n, 'person' || n || '@example.com', 'new', n % 100,
        now() - interval '2 days'
    from generate_series(1, 1000000) n;
    truncate edge_changes;
    insert into edge_resyncs (entity, generation, ordered_by, phase, finished_at)
    select entity, 1, 'bench', 'done', now() from edge_entities;
    analyze prospects;
    vacuum prospects"""


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        with login.as_owner() as owner:
            for statement in _MILLION.split(";"):
                owner.run_script(statement)
        yield from _figures(login)


def _figures(login: Login) -> Iterator[Figure]:
    database = Database(login.url, timeout=120.0)
    began = time.perf_counter()
    sums = store.digests(database, "prospects", [])
    seconds = time.perf_counter() - began
    twin, changed = _twin(database)
    if sums != dict(twin.digests("prospects")):
        raise RuntimeError("the sides do not agree before anything was changed")
    _change(twin, changed)
    share = _share_read(database, twin, changed)
    database.close()
    yield Figure("integrity.postgres_digest_seconds_1m", seconds, "s for the sums of 1,000,000 rows", 1)
    yield Figure("integrity.read_share_1m", share, "of 1,000,000 items read to find the one that differs", 1)


def _twin(database: Database) -> tuple[FilledTwin, UUID]:
    """With the number of the last row."""
    twin = FilledTwin()
    twin.fill(database, confirmed_at=datetime.now(UTC) - timedelta(days=1))
    return twin, one(database, "select id from prospects order by id desc limit 1")["id"]


def _change(twin: FilledTwin, row_id: UUID) -> None:
    """Somebody writes over an item; the stream tells of it."""
    item = twin.get("prospects", [row_id])[row_id]
    twin.restore(
        "prospects", row_id, replace(item, doc=(item.doc or "").replace("City", "Elsewhere")), now=item.written_at
    )


def _share_read(database: Database, twin: FilledTwin, changed: UUID) -> float:
    before = twin.items_read
    inspection = Inspection(database, twin, lambda: datetime.now(UTC), Deadline.after(_FIND_SECONDS), lambda: True)
    found = [finding.row_id for finding in look_for_drift(inspection).findings]
    if found != [str(changed)]:
        raise RuntimeError(f"found {len(found)} rows instead of the one that was changed")
    return (twin.items_read - before) / _PROSPECTS


SUBJECT = Subject(("integrity.postgres_digest_seconds_1m", "integrity.read_share_1m"), _measure)
