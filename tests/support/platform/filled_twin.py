"""A twin of the edge that is filled from PostgreSQL at once: replicating many rows would be most of a test's time."""

from dataclasses import replace
from datetime import datetime

from crm_relay.edge_cache.dynamo.digests import Digest
from crm_relay.edge_cache.items import item_hash
from crm_relay.edge_cache.keys import ENTITIES, Entity, bucket_of
from crm_relay.edge_cache.models import CacheItem
from crm_relay.edge_cache.read import LAST_CONFIRMED
from crm_relay.edge_cache.store import source_page
from crm_relay.platform.database import Database
from tests.support.edge_cache.edge_twin import EdgeTwin

_PAGE = 20_000


class FilledTwin(EdgeTwin):
    """Has got everything without a word about how."""

    def fill(self, database: Database, *, confirmed_at: datetime) -> None:
        """Every row of every entity, with its digests and the mark; PostgreSQL is not told."""
        for entity in ENTITIES:
            self._fill(database, entity, confirmed_at)
        self.set_config({LAST_CONFIRMED: confirmed_at.isoformat()})

    def _fill(self, database: Database, entity: Entity, written_at: datetime) -> None:
        after = None
        while page := source_page(database, entity, after=after, limit=_PAGE):
            for row in page:
                self._take(CacheItem(entity, row.row_id, row.version, row.doc, row.updated_at, written_at))
            after = page[-1].row_id

    def _take(self, item: CacheItem) -> None:
        """As if it had been there for long."""
        bucket = bucket_of(item.row_id)
        self._items.setdefault((item.entity, bucket), {})[item.row_id] = item
        kept = self.kept.get((item.entity, bucket), Digest())
        self.kept[item.entity, bucket] = replace(kept, total=kept.total + item_hash(item))
