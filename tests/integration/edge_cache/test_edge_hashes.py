"""Python and PostgreSQL agree about buckets, hashes and times of the edge cache."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_relay.edge_cache.items import time_text
from crm_relay.edge_cache.keys import bucket_of, content_hash
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query
from tests.conftest import fresh_database
from tests.integration.platform.test_rendered_values import TIMES
from tests.support.hostile_text import HOSTILE_TEXT

THOROUGH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_BUCKET = Query.parse("bucket", "asks the database", "select edge_bucket(:id::uuid) as found")
_HASH = Query.parse("hash", "asks the database", "select edge_hash(:id::uuid, :version::bigint, :doc::text) as found")
_TIME = Query.parse("time", "asks the database", "select edge_time(:at::timestamptz) as found")


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[Database]:
    with fresh_database(postgres_url) as url:
        database = Database(url)
        yield database
        database.close()


@THOROUGH
@given(row_id=st.uuids())
def test_a_row_lies_in_the_same_bucket_on_both_sides(database: Database, row_id: UUID) -> None:
    assert database.run(_BUCKET, id=row_id) == [{"found": bucket_of(row_id)}]


@THOROUGH
@given(row_id=st.uuids(), version=st.integers(0, 2**63 - 1), doc=HOSTILE_TEXT)
def test_any_content_has_the_same_hash_on_both_sides(database: Database, row_id: UUID, version: int, doc: str) -> None:
    assert database.run(_HASH, id=row_id, version=version, doc=doc) == [{"found": content_hash(row_id, version, doc)}]


@THOROUGH
@given(at=TIMES)
def test_a_time_is_written_the_same_on_both_sides(database: Database, at: datetime) -> None:
    assert database.run(_TIME, at=at) == [{"found": time_text(at)}]
