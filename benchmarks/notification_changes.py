"""How long a notification takes from its insert until real time reads the change from its replication slot."""

import statistics
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, Subject
from benchmarks.servers import Servers
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query

_INSERTS = 400
_SLOT = "benchmark_of_notifications"
_PERCENTILE = 95
_INSERT = Query.parse(
    "insert",
    "As an application inserts a notification.",
    """insert into notifications (user_id, title, message, category)
       select id, 'Deal won', :text, 'deal' from user_profiles limit 1""",
)
_CHANGES = Query.parse(
    "changes",
    "What Realtime would read now.",
    f"""select count(*) filter (where get_byte(data, 0) = ascii('I'))::integer as inserted
        from pg_logical_slot_get_binary_changes(
            '{_SLOT}', null, null, 'proto_version', '1', 'publication_names', 'supabase_realtime'
        )""",
)
_NAME = "notifications.insert_to_change_p95_ms"


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login, login.as_owner() as owner:
        owner.run_script("insert into user_profiles (org_id, email) values (default_org_id(), 'reader@example.com')")
        owner.run_script(f"select pg_create_logical_replication_slot('{_SLOT}', 'pgoutput')")
        try:
            seconds = [_until_seen(owner, number) for number in range(_INSERTS)]
        finally:
            owner.run_script(f"select pg_drop_replication_slot('{_SLOT}')")
    ranks = statistics.quantiles(seconds, n=100)
    yield Figure(_NAME, ranks[_PERCENTILE - 1] * 1000, "ms from insert to change", len(seconds))


def _until_seen(owner: Database, number: int) -> float:
    began = time.perf_counter()
    owner.run(_INSERT, text=f"Message {number}")
    while not owner.run(_CHANGES)[0]["inserted"]:
        pass
    return time.perf_counter() - began


SUBJECT = Subject((_NAME,), _measure)
