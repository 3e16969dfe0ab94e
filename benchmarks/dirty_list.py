"""What the dirty list's triggers add to a bulk update of the business."""

import time
from collections.abc import Iterator

from benchmarks.customers import insert_customers
from benchmarks.figures import Figure, Subject, median
from benchmarks.servers import Servers
from crm_relay.platform.database import Database

_CUSTOMERS = 100_000
_PAIRS = 9
_UPDATE = "update customer_profiles set rfm_recency = coalesce(rfm_recency, 0) + 1"
_TRIGGER = "note_mautic_dirty_update"


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login, login.as_owner() as owner:
        insert_customers(owner, _CUSTOMERS)
        _seconds(owner, noted=True)  # the first update of all finds no room in its pages
        pairs = [(_seconds(owner, noted=False), _seconds(owner, noted=True)) for _ in range(_PAIRS)]
    # Pair by pair: neighbours in time had the same machine.
    overhead = [(noted / without - 1) * 100 for without, noted in pairs]
    yield median("dirty_list.bulk_update_overhead_percent", "% of an UPDATE of 100,000 rows", overhead)
    noted_seconds = [noted for _, noted in pairs]
    yield median("dirty_list.bulk_update_seconds", "s per UPDATE of 100,000 rows, noted", noted_seconds)


def _seconds(owner: Database, *, noted: bool) -> float:
    """One committed update, on tables without dead rows and with nothing waiting to be written out."""
    owner.run_script(f"alter table customer_profiles {'enable' if noted else 'disable'} trigger {_TRIGGER}")
    owner.run_script("truncate mautic_dirty, mautic_dirty_bulk")
    owner.run_script("vacuum customer_profiles")
    owner.run_script("checkpoint")
    began = time.perf_counter()
    owner.run_script(_UPDATE)
    return time.perf_counter() - began


SUBJECT = Subject(("dirty_list.bulk_update_overhead_percent", "dirty_list.bulk_update_seconds"), _measure)
