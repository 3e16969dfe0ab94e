"""One changed row in a million: what share of the items is read to find it, and how long PostgreSQL takes to sum."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from benchmarks.figures import Figure, Subject
from benchmarks.servers import Login, Servers
from crm_relay.edge_cache.digests import Digest
from crm_relay.edge_cache.keys import bucket_of
from crm_relay.edge_cache.models import Item
from crm_relay.edge_cache.read import LAST_CONFIRMED
from crm_relay.edge_cache.store import source_page
from crm_relay.integrity import store
from crm_relay.integrity.compare_sides import look_for_drift
from crm_relay.integrity.decisions import item_hash
from crm_relay.integrity.models import Inspection
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from tests.support.edge_twin import EdgeTwin

_PROSPECTS = 1_000_000
_PAGE = 20_000
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


class FilledTwin(EdgeTwin):
    """Has got everything without a word about how, or the stream of a million changes would be most of the time."""

    def take(self, item: Item) -> None:
        """As if it had been there for long."""
        bucket = bucket_of(item.row_id)
        self._items.setdefault((item.entity, bucket), {})[item.row_id] = item
        kept = self.kept.get((item.entity, bucket), Digest())
        self.kept[item.entity, bucket] = replace(kept, total=kept.total + item_hash(item))


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
    twin, after, now = FilledTwin(), None, datetime.now(UTC)
    while page := source_page(database, "prospects", after=after, at_most=_PAGE):
        for row in page:
            twin.take(Item("prospects", row.row_id, row.version, row.doc, row.updated_at, now))
        after = page[-1].row_id
    twin.set_config({LAST_CONFIRMED: (now - timedelta(days=1)).isoformat()})
    if after is None:
        raise RuntimeError("there are no prospects")
    return twin, after


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
