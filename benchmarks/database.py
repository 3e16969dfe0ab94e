"""What one statement and one connection cost: the floor under all other figures."""

import time
from collections.abc import Iterator

from benchmarks.figures import Figure, Subject, median
from benchmarks.servers import Servers
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query

_STATEMENT = Query.parse("number", "The simplest statement with a value.", "select :number::integer as number")
_STATEMENTS = 2000
_CONNECTIONS = 40


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        yield median("database.round_trip_ms", "ms per statement", _statements(login.url))
        yield median("database.connect_ms", "ms with the first statement", _connections(login.url))


def _statements(url: str) -> Iterator[float]:
    database = Database(url)
    database.run(_STATEMENT, number=0)
    for number in range(_STATEMENTS):
        yield _milliseconds(database, number)
    database.close()


def _connections(url: str) -> Iterator[float]:
    for number in range(_CONNECTIONS):
        database = Database(url)
        yield _milliseconds(database, number)
        database.close()


def _milliseconds(database: Database, number: int) -> float:
    began = time.perf_counter()
    database.run(_STATEMENT, number=number)
    return (time.perf_counter() - began) * 1000


SUBJECT = Subject(("database.round_trip_ms", "database.connect_ms"), _measure)
