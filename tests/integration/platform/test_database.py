"""What the one way to the database promises: round trips, errors of ours, and life after a lost connection."""

import threading
import time
from collections.abc import Iterator

import pytest

from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.platform.postgres import server_connection
from crm_relay.platform.sql import Json, Query, SqlValue
from local.postgres import free_port
from tests.support.platform.counting_proxy import CountingProxy

SECRET = "ada-private@example.com"


def parse(text: str) -> Query:
    return Query.parse("test", "asks the database in a test", text)


def ask(database: Database | Transaction, text: str, **values: SqlValue) -> list[Row]:
    return database.run(parse(text), **values)


@pytest.fixture
def scratch(empty_database_url: str) -> Iterator[Database]:
    """An open Database with one small table."""
    database = Database(empty_database_url, timeout=5)
    database.run_script(
        """create table thing (
               id int primary key, name text unique check (name <> 'bad'),
               parent int references thing (id), size int not null default 0
           );
           insert into thing (id, name) values (1, 'one'), (2, 'two')"""
    )
    yield database
    database.close()


@pytest.fixture
def proxied(scratch: Database, empty_database_url: str) -> Iterator[tuple[Database, CountingProxy]]:
    """A connected Database and the proxy that counts its messages, from zero."""
    with CountingProxy(empty_database_url) as proxy:
        database = Database(proxy.url, timeout=5)
        ask(database, "select 1")
        proxy.forget()
        yield database, proxy
        database.close()


@pytest.mark.parametrize("piece", [1, 7, 32_768])
def test_an_answer_is_read_whole_in_whatever_pieces_it_comes(
    scratch: Database, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(server_connection, "_PIECE", piece)
    monkeypatch.setattr(server_connection, "_LARGEST_PIECE", max(piece, 1000))
    rows = ask(scratch, "select n, repeat('ä', n * 50) as text, null as nothing from generate_series(0, 200) n")
    assert rows == [{"n": n, "text": "ä" * n * 50, "nothing": None} for n in range(201)]
    results = scratch.transact(
        lambda transaction: transaction.send_all(
            [parse("select 1 as a").bind(), parse("select 2 as b, '' as c").bind()]
        )
    )
    assert results == [[{"a": 1}], [{"b": 2, "c": ""}]]


def backend_of(database: Database) -> int:
    return int(ask(database, "select pg_backend_pid() as pid")[0]["pid"])


def hang_up_on(other: Database, database: Database) -> None:
    """The server ends the connection of `database` and waits until it is gone."""
    ask(other, "select pg_terminate_backend(:pid, 2000)", pid=backend_of(database))
    time.sleep(0.05)


def test_a_number_that_python_does_not_read_keeps_no_other_row_from_being_read(database: Database) -> None:
    rows = ask(
        database,
        """select jsonb_build_object('n', value, 'm', 7) as given, to_json(value)::json as bare
           from (values (1::numeric), (power(10::numeric, 5000))) known (value)""",
    )
    assert [row["given"] for row in rows] == [{"n": 1, "m": 7}, {"n": "1" + "0" * 5000, "m": 7}]
    assert [row["bare"] for row in rows] == [1, "1" + "0" * 5000]


def test_a_statement_costs_one_round_trip_whatever_its_values(proxied: tuple[Database, CountingProxy]) -> None:
    database, proxy = proxied
    ask(database, "select * from jsonb_to_recordset(:rows) as row (id int)", rows=Json([{"id": n} for n in range(500)]))
    assert (len(proxy.queries), proxy.other_messages) == (1, [])


def test_a_transaction_costs_one_round_trip_a_statement_and_one_for_the_commit(
    proxied: tuple[Database, CountingProxy],
) -> None:
    database, proxy = proxied

    def work(transaction: Transaction) -> None:
        for n in range(3):
            ask(transaction, "update thing set size = :n where id = 1", n=n)

    database.transact(work)

    assert (len(proxy.queries), proxy.other_messages) == (4, [])


def test_a_transaction_without_a_statement_costs_nothing(proxied: tuple[Database, CountingProxy]) -> None:
    database, proxy = proxied
    assert database.transact(lambda _: "done") == "done"
    assert proxy.queries == []


def test_rows_come_as_dicts_also_from_statements_that_return_none(scratch: Database) -> None:
    assert ask(scratch, "select id, name from thing order by id limit 1") == [{"id": 1, "name": "one"}]
    assert ask(scratch, "update thing set size = 1") == []
    assert ask(scratch, "select id from thing where false") == []


def test_a_connection_that_the_server_closed_while_idle_is_replaced_unnoticed(
    scratch: Database, empty_database_url: str
) -> None:
    other = Database(empty_database_url)
    hang_up_on(other, scratch)
    assert ask(scratch, "select count(*) as n from thing") == [{"n": 2}]
    hang_up_on(other, scratch)
    scratch.transact(lambda transaction: ask(transaction, "update thing set size = 5"))
    assert ask(other, "select distinct size from thing") == [{"size": 5}]
    other.close()


def test_a_connection_that_vanished_without_a_word_is_replaced_after_a_pause(
    scratch: Database, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_relay.platform.database._PING_AFTER_SECONDS", 0.0)
    monkeypatch.setattr("crm_relay.platform.database._PING_TIMEOUT_SECONDS", 0.2)
    with CountingProxy(empty_database_url) as proxy:
        database = Database(proxy.url, timeout=5)
        before = backend_of(database)
        proxy._delay = 1.0
        threading.Timer(0.3, lambda: setattr(proxy, "_delay", 0.0)).start()
        assert backend_of(database) != before
        database.close()


def test_a_server_that_is_not_there_may_be_there_later() -> None:
    url = f"postgresql://postgres:secret@127.0.0.1:{free_port()}/postgres"
    with pytest.raises(TransientError, match="cannot be reached"):
        ask(Database(url), "select 1")


def test_a_transaction_whose_connection_breaks_is_done_again_as_a_whole(
    scratch: Database, empty_database_url: str
) -> None:
    other = Database(empty_database_url)
    attempts = []

    def work(transaction: Transaction) -> None:
        ask(transaction, "update thing set size = size + 1 where id = 1")
        pid = ask(transaction, "select pg_backend_pid() as pid")[0]["pid"]
        attempts.append(pid)
        if len(attempts) == 1:
            ask(other, "select pg_terminate_backend(:pid, 2000)", pid=pid)
            time.sleep(0.05)
        ask(transaction, "update thing set size = size + 1 where id = 2")

    scratch.transact(work)

    assert len(attempts) == 2
    assert ask(other, "select size from thing") == [{"size": 1}, {"size": 1}]
    other.close()


def test_a_connection_lost_before_the_commit_leaves_nothing_and_says_so(
    scratch: Database, empty_database_url: str
) -> None:
    other = Database(empty_database_url)

    def work(transaction: Transaction) -> None:
        pid = ask(transaction, "update thing set size = 9 returning pg_backend_pid() as pid")[0]["pid"]
        ask(other, "select pg_terminate_backend(:pid, 2000)", pid=pid)

    with pytest.raises(TransientError):
        scratch.transact(work)

    assert ask(scratch, "select distinct size from thing") == [{"size": 0}]
    other.close()


def test_of_two_transactions_that_deadlock_both_end_well(scratch: Database, empty_database_url: str) -> None:
    other, both_hold_one = Database(empty_database_url, timeout=20), threading.Barrier(2, timeout=5)
    attempts = {1: 0, 2: 0}

    def add(database: Database, first: int, second: int) -> None:
        def work(transaction: Transaction) -> None:
            attempts[first] += 1
            ask(transaction, "update thing set size = size + 1 where id = :id", id=first)
            if attempts[first] == 1:
                both_hold_one.wait()
            ask(transaction, "update thing set size = size + 1 where id = :id", id=second)

        database.transact(work)

    thread = threading.Thread(target=add, args=(other, 2, 1))
    thread.start()
    add(scratch, 1, 2)
    thread.join()

    # On a busy machine the one that is repeated may meet the other once more.
    assert sum(attempts.values()) in {3, 4}
    assert ask(scratch, "select size from thing") == [{"size": 2}, {"size": 2}]
    other.close()


@pytest.mark.parametrize(
    ("statement", "error", "words"),
    [
        (f"insert into thing (id, name) values (1, '{SECRET}')", RejectedInput, "23505 (thing, thing_pkey)"),
        (f"insert into thing (id, name, size) values (9, '{SECRET}', null)", RejectedInput, "23502 (thing, size)"),
        ("insert into thing (id, name) values (9, 'bad')", RejectedInput, "23514 (thing, thing_name_check)"),
        ("insert into thing (id, parent) values (9, 77)", RejectedInput, "23503 (thing, thing_parent_fkey)"),
        (f"select cast('{SECRET}' as int)", RejectedInput, "22P02"),
        (f"select * from missing where name = '{SECRET}'", FatalError, "42P01"),
        (f"select '{SECRET}' from", FatalError, "42601"),
        ("do $$ begin raise 'no' using errcode = '55P03'; end $$", TransientError, "55P03"),
        ("do $$ begin raise 'no' using errcode = '53300'; end $$", TransientError, "53300"),
        ("do $$ begin raise 'EMAXCONN max' using errcode = 'XX000'; end $$", TransientError, "XX000"),
        ("do $$ begin raise 'odd' using errcode = 'XX000'; end $$", FatalError, "XX000"),
    ],
)
def test_a_servers_error_becomes_ours_and_quotes_no_row(
    scratch: Database, statement: str, error: type[Exception], words: str
) -> None:
    for run in (scratch.run_script, lambda text: scratch.transact(lambda transaction: ask(transaction, text))):
        with pytest.raises(error) as raised:
            run(statement)
        assert words in str(raised.value)
        assert SECRET not in "".join(map(str, [raised.value, raised.value.__cause__]))
        assert raised.value.__suppress_context__
    assert ask(scratch, "select count(*) as n from thing") == [{"n": 2}]


def test_an_error_in_the_work_itself_takes_the_transaction_back(scratch: Database) -> None:
    def work(transaction: Transaction) -> None:
        ask(transaction, "update thing set size = 9")
        raise KeyError("a mistake")

    with pytest.raises(KeyError):
        scratch.transact(work)
    assert ask(scratch, "select distinct size from thing") == [{"size": 0}]


def test_after_a_time_out_the_next_statement_uses_another_connection(empty_database_url: str) -> None:
    database = Database(empty_database_url, timeout=0.5)
    before = backend_of(database)

    with pytest.raises(TransientError):
        ask(database, "select pg_sleep(2), 'late' as answer")

    assert ask(database, "select 'own' as answer") == [{"answer": "own"}]
    assert backend_of(database) != before
    database.close()


def test_a_statement_that_ran_into_the_servers_limit_may_be_tried_again(scratch: Database) -> None:
    def work(transaction: Transaction) -> None:
        ask(transaction, "set local statement_timeout = '50ms'")
        ask(transaction, "select pg_sleep(1)")

    with pytest.raises(TransientError, match="57014"):
        scratch.transact(work)
    assert ask(scratch, "show statement_timeout") == [{"statement_timeout": "0"}]


def test_a_wrong_password_will_not_become_right_by_waiting(empty_database_url: str) -> None:
    user, _, rest = empty_database_url.partition("@")
    with pytest.raises(FatalError, match="28P01"):
        ask(Database(f"{user}wrong@{rest}"), "select 1")
