"""Many clients behind a transaction-mode pooler: each gets its own rows, and nobody else's."""

import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pg8000.native import Connection, DatabaseError

from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.sql import Query
from tests.support.platform.pooler import Pooler

CLIENTS = 16
STATEMENTS = 20_480


@pytest.fixture
def pooler(empty_database_url: str, tmp_path: Path) -> Iterator[Pooler]:
    """The pooler before an empty database."""
    with Pooler(empty_database_url, tmp_path) as pooler:
        yield pooler


def all_at_once(client: Callable[[int], int]) -> int:
    """The sum of what the clients return, all running at the same time."""
    results: list[int] = []
    threads = [threading.Thread(target=lambda n=n: results.append(client(n))) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == CLIENTS, "a client failed"
    return sum(results)


def question(client: int) -> Query:
    """A statement of this client's own form, so that another client's would be noticed."""
    return Query.parse("own", "tells the clients apart", f"select :value as answer_{client}, {client} as client")


def ask_together(query: Query, values: list[str], transaction: Transaction) -> list[list[Row]]:
    return [transaction.run(query, value=value) for value in values]


def test_no_client_gets_another_clients_rows(pooler: Pooler) -> None:
    def client(number: int) -> int:
        database, query, chance, wrong = Database(pooler.url, timeout=30), question(number), random.Random(number), 0
        for _ in range(STATEMENTS // CLIENTS // 4):
            values = [f"{number}: {chance.random()} ':value --" for _ in range(4)]
            answers = [database.run(query, value=value) for value in values[:2]]
            answers += database.transact(partial(ask_together, query, values[2:]))
            wrong += answers != [[{f"answer_{number}": value, "client": number}] for value in values]
        database.close()
        return wrong

    assert all_at_once(client) == 0


def test_the_same_clients_with_the_drivers_own_parameters_get_each_others_rows(pooler: Pooler) -> None:
    # This one proves that the one above can fail. Should it fail itself one day, the driver has become safe.
    at = urlsplit(pooler.url)

    def client(number: int) -> int:
        connection = Connection(
            at.username, host=at.hostname, port=at.port, password=at.password, database=at.path[1:], ssl_context=False
        )
        wrong = 0
        for value in range(60):
            try:
                rows = connection.run(f"select cast(:value as int) as answer_{number}, {number}", value=value)
                wrong += rows != [[value, number]]
            except DatabaseError:
                wrong += 1
        connection.close()
        return wrong

    assert all_at_once(client) > 0


def test_transactions_of_many_clients_add_up(pooler: Pooler) -> None:
    setup = Database(pooler.url)
    setup.run_script("create table account (id int primary key, balance int)")
    setup.run_script("insert into account values (1, 0), (2, 0)")
    move = Query.parse("move", "changes one account", "update account set balance = balance + :amount where id = :id")

    def work(transaction: Transaction) -> int:
        transaction.run(move, amount=1, id=1)
        transaction.run(move, amount=-1, id=2)
        return 1

    def client(_: int) -> int:
        database = Database(pooler.url, timeout=30)
        done = sum(database.transact(work) for _ in range(20))
        database.close()
        return done

    assert all_at_once(client) == CLIENTS * 20
    balances = setup.run(Query.parse("all", "reads the result", "select balance from account order by id"))
    assert [row["balance"] for row in balances] == [CLIENTS * 20, -CLIENTS * 20]
    setup.close()


def test_a_local_setting_stays_in_its_transaction(pooler: Pooler) -> None:
    setting = Query.parse("read", "reads the setting", "select current_setting('app.org_id', true) as it")
    setter = Query.parse("set", "sets it for one transaction", "select set_config('app.org_id', :org, true)")

    def client(number: int) -> int:
        database, leaked = Database(pooler.url, timeout=30), 0

        def work(transaction: Transaction) -> str:
            transaction.run(setter, org=str(number))
            return str(transaction.run(setting)[0]["it"])

        for _ in range(50):
            leaked += database.transact(work) != str(number)
            leaked += bool(database.run(setting)[0]["it"])
        database.close()
        return leaked

    assert all_at_once(client) == 0
