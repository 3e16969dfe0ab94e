"""An installation without the edge cache."""

from typing import Any, cast

from crm_relay.edge_cache.table import EdgeTable
from crm_relay.platform.errors import RejectedInput

NOT_INSTALLED = "the edge cache is not installed"


class AbsentEdge:
    """Takes the table's place; whatever is asked of it is answered 404."""

    calls = 0
    items_read = 0

    def __getattr__(self, name: str) -> Any:
        raise RejectedInput(NOT_INSTALLED, status=404)


def absent_edge() -> EdgeTable:
    """For dependencies whose EDGE_CACHE_TABLE is not set."""
    return cast("EdgeTable", AbsentEdge())


def is_absent(table: EdgeTable) -> bool:
    """Whether there is no edge cache behind it."""
    return isinstance(table, AbsentEdge)
