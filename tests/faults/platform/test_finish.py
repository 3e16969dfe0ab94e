"""Transactions of two messages behind a transaction-mode pooler, with errors and cut connections at the commit."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.platform.sql import Query, Rows, SqlValue, Statement
from tests.support.platform.aws_of_a_test import wait_until
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.pooler import Pooler

CLIENTS = 16
TRANSACTIONS = 150
FAILURES = {
    "constraint": "update account set balance = -1 where id = {client}",
    "deferred": "insert into transfer (id, account) values ('to nobody', 999)",
    "value": "select 1 / 0",
}


@pytest.fixture
def pooler(empty_database_url: str, tmp_path: Path) -> Iterator[Pooler]:
    """The pooler before one account for each client and the transfers between them."""
    setup = Database(empty_database_url)
    setup.run_script(
        f"""create table account (id int primary key, balance int not null default 0 check (balance >= 0));
            create table transfer (
                id text primary key, account int references account (id) deferrable initially deferred
            );
            insert into account select generate_series(0, {CLIENTS - 1})"""
    )
    setup.close()
    with Pooler(empty_database_url, tmp_path) as pooler:
        yield pooler


def says(text: str, **values: SqlValue) -> Statement:
    return Query.parse("test", "asks the database in a test", text).bind(**values)


def all_at_once(client: Callable[[int], Counter[str]]) -> Counter[str]:
    """The sum of what the clients count, all running at the same time."""
    results: list[Counter[str]] = []
    threads = [threading.Thread(target=lambda n=n: results.append(client(n))) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == CLIENTS, "a client failed"
    return sum(results, Counter())


def transfer(client: int, label: str, fails: str | None) -> Callable[[Transaction], list[list[Row]]]:
    """Work in two messages whose every statement has a form of its own for each client."""
    note = Query.parse(
        "note",
        "records transfers",
        f"insert into transfer select * from :rows as it (id text, account int) returning id as transfer_{client}",
    )

    def work(transaction: Transaction) -> list[list[Row]]:
        read = transaction.send_all(
            [
                says(f"select id as locked_{client} from account where id = {client} for update"),
                says(f"select :label as label_{client}, {client} as client", label=label),
                says(f"select balance as balance_{client} from account where id = {client}"),
            ]
        )
        failure = [says(FAILURES[fails].format(client=client))] if fails else []
        written = transaction.finish(
            [
                says(f"update account set balance = balance + 1 where id = {client} returning id as added_{client}"),
                note.bind(rows=Rows([{"id": label, "account": client}])),
                *failure,
            ]
        )
        return [*read, *written]

    return work


def test_transactions_of_two_messages_get_their_own_rows_with_failures_between_them(
    pooler: Pooler, empty_database_url: str
) -> None:
    def client(number: int) -> Counter[str]:
        database, chance, seen = Database(pooler.url, timeout=30), random.Random(number), Counter[str]()
        for turn in range(TRANSACTIONS):
            fails = chance.choice([*FAILURES, *[None] * 7])
            label, done = f"{number}: {turn} '; commit --", seen["done"]
            try:
                answer = database.transact(transfer(number, label, fails))
            except RejectedInput:
                seen["failed"] += fails is not None
                seen["wrong"] += fails is None
                continue
            expected = [
                [{f"locked_{number}": number}],
                [{f"label_{number}": label, "client": number}],
                [{f"balance_{number}": done}],
                [{f"added_{number}": number}],
                [{f"transfer_{number}": label}],
            ]
            seen["done"] += 1
            seen["wrong"] += answer != expected or fails is not None
        database.close()
        return seen

    seen = all_at_once(client)
    assert seen["wrong"] == 0
    assert seen["done"] + seen["failed"] == CLIENTS * TRANSACTIONS
    assert seen["failed"] > CLIENTS
    direct = Database(empty_database_url)
    (row,) = direct.run(says("select sum(balance) as sum, (select count(*) from transfer) as n from account").query)
    assert (row["sum"], row["n"]) == (seen["done"], seen["done"])
    direct.close()


@pytest.mark.parametrize("reaches_server", [0.0, 0.5, 1.0])
def test_a_cut_while_the_commit_is_on_its_way_is_never_repeated(
    pooler: Pooler, empty_database_url: str, reaches_server: float
) -> None:
    def client(number: int) -> Counter[str]:
        seen = Counter[str]()
        for turn in range(10):
            with CountingProxy(pooler.url, cut_after="commit", reaches_server=reaches_server) as proxy:
                database = Database(proxy.url, timeout=30)
                try:
                    database.transact(counted(transfer(number, f"{number}-{turn}", None), seen))
                except TransientError as error:
                    seen["unknown"] += "unknown" in str(error)
                database.close()
        return seen

    seen = all_at_once(client)
    assert (seen["attempts"], seen["unknown"]) == (CLIENTS * 10, CLIENTS * 10)
    direct = Database(empty_database_url)
    transfers = "select count(*) as n, (select sum(balance) from account) as sum from transfer"
    wait_until_idle(direct)
    (row,) = direct.run(says(transfers).query)
    assert row["n"] == row["sum"] == (CLIENTS * 10 if reaches_server == 1 else 0)
    direct.close()


def counted(
    work: Callable[[Transaction], list[list[Row]]], seen: Counter[str]
) -> Callable[[Transaction], list[list[Row]]]:
    def counting(transaction: Transaction) -> list[list[Row]]:
        seen["attempts"] += 1
        return work(transaction)

    return counting


def wait_until_idle(database: Database) -> None:
    """Until the pooler has ended what cut clients left open."""
    open_ones = """select 1 from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'"""
    wait_until(lambda: not database.run(says(open_ones).query))
