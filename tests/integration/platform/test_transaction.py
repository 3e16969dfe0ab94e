"""Several statements in one message, the commit in the last one, and what follows a commit."""

import threading
from collections.abc import Callable, Iterator

import pytest

from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.platform.sql import Query, SqlValue, Statement
from tests.support.platform.aws_of_a_test import wait_until
from tests.support.platform.counting_proxy import CountingProxy


def says(text: str, **values: SqlValue) -> Statement:
    return Query.parse("test", "asks the database in a test", text).bind(**values)


ADD = "update thing set size = size + 1 where id = :id returning id, size"
SIZES = "select size from thing order by id"
OTHER_CONNECTIONS = "select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


@pytest.fixture
def scratch(empty_database_url: str) -> Iterator[Database]:
    """An open Database with one small table, one of whose constraints is checked at the commit."""
    database = Database(empty_database_url, timeout=5)
    database.run_script(
        """create table thing (
               id int primary key, size int not null default 0 check (size < 100),
               parent int references thing (id) deferrable initially deferred
           );
           insert into thing (id) values (1), (2)"""
    )
    yield database
    database.close()


@pytest.fixture
def proxied(scratch: Database, empty_database_url: str) -> Iterator[tuple[Database, CountingProxy]]:
    """A connected Database and the proxy that counts its messages, from zero."""
    with CountingProxy(empty_database_url) as proxy:
        database = Database(proxy.url, timeout=5)
        sizes(database)
        proxy.forget()
        yield database, proxy
        database.close()


def sizes(database: Database) -> list[int]:
    return [row["size"] for row in database.run(says(SIZES).query)]


def test_each_statement_of_a_message_has_its_own_rows(scratch: Database) -> None:
    def work(transaction: Transaction) -> list[list[list[Row]]]:
        first = transaction.send_all([says("select 1 as a"), says(ADD, id=1), says("update thing set size = size")])
        second = transaction.send_all([says("select 2 as b, 3 as c where false"), says(SIZES)])
        return [first, second, transaction.finish([says(ADD, id=2), says("select 4 as d union all select 5")])]

    assert scratch.transact(work) == [
        [[{"a": 1}], [{"id": 1, "size": 1}], []],
        [[], [{"size": 1}, {"size": 0}]],
        [[{"id": 2, "size": 1}], [{"d": 4}, {"d": 5}]],
    ]
    assert sizes(scratch) == [1, 1]


def test_two_messages_suffice_for_a_transaction(proxied: tuple[Database, CountingProxy]) -> None:
    database, proxy = proxied

    def work(transaction: Transaction) -> None:
        transaction.send_all([says("select 1 from thing where id = 1 for update"), says(SIZES)])
        transaction.finish([says(ADD, id=1), says(ADD, id=2)])

    database.transact(work)
    assert (len(proxy.queries), proxy.other_messages) == (2, [])
    assert proxy.queries[0].startswith("begin; ")
    assert proxy.queries[1].endswith("; commit")


@pytest.mark.parametrize(
    ("statements", "messages"),
    [([], 0), ([says(ADD, id=1)], 1)],
    ids=["of nothing", "that is the only message"],
)
def test_a_finish_costs_at_most_one_message(
    proxied: tuple[Database, CountingProxy], statements: list[Statement], messages: int
) -> None:
    database, proxy = proxied
    database.transact(lambda transaction: transaction.finish(statements))
    assert len(proxy.queries) == messages
    assert sizes(database) == [messages, 0]


def test_no_statements_are_no_message(proxied: tuple[Database, CountingProxy]) -> None:
    database, proxy = proxied
    assert database.transact(lambda transaction: transaction.send_all([])) == []
    assert proxy.queries == []


def test_a_statement_that_ends_with_a_comment_does_not_hide_the_commit(scratch: Database) -> None:
    commented = [says(f"{ADD} -- one more", id=1), says("select 1 -- two")]
    scratch.transact(lambda transaction: transaction.finish(commented))
    assert scratch.run(says(SIZES).query) == [{"size": 1}, {"size": 0}]


def test_a_later_statement_of_a_message_sees_what_was_committed_while_an_earlier_one_waited(
    scratch: Database, empty_database_url: str
) -> None:
    holder, watcher = Database(empty_database_url), Database(empty_database_url)
    lock = says("select 1 from thing where id = 1 for update")
    seen: list[list[list[Row]]] = []
    waiter = threading.Thread(
        target=lambda: seen.append(scratch.transact(lambda transaction: transaction.send_all([lock, says(SIZES)])))
    )

    def hold(transaction: Transaction) -> None:
        transaction.send_all([lock, says(ADD, id=1)])
        waiter.start()
        wait_until(lambda: bool(watcher.run(says("select 1 from pg_locks where not granted").query)))

    holder.transact(hold)
    waiter.join()
    assert seen[0][1] == [{"size": 1}, {"size": 0}]
    holder.close()
    watcher.close()


FAILURES = [
    pytest.param([says("update thing set size = 100")], RejectedInput, "23514", 1, id="a constraint"),
    pytest.param([says("update thing set parent = 77")], RejectedInput, "23503", 0, id="a deferred constraint"),
    pytest.param([says("select 1 / 0"), says(ADD, id=2)], RejectedInput, "22012", 1, id="a value"),
    pytest.param([says("select * from missing")], FatalError, "42P01", 1, id="a missing table"),
]


@pytest.mark.parametrize(("statements", "error", "code", "rollbacks"), FAILURES)
def test_a_failed_finish_commits_nothing_and_leaves_the_connection_in_order(
    proxied: tuple[Database, CountingProxy],
    statements: list[Statement],
    error: type[Exception],
    code: str,
    rollbacks: int,
) -> None:
    database, proxy = proxied
    attempts = []

    def work(transaction: Transaction) -> None:
        attempts.append(1)
        transaction.send_all([says(ADD, id=1)])
        transaction.finish([says(ADD, id=2), *statements])

    with pytest.raises(error, match=code):
        database.transact(work)
    assert len(attempts) == 1
    # A failed commit has ended the transaction already.
    assert proxy.queries[2:] == ["rollback"] * rollbacks
    assert sizes(database) == [0, 0]


@pytest.mark.parametrize("code", ["40P01", "40001"])
@pytest.mark.parametrize("at_the_commit", [False, True])
def test_a_finish_that_met_a_deadlock_is_repeated_with_its_work(
    scratch: Database, code: str, at_the_commit: bool
) -> None:
    attempts = []
    fail_once(scratch, code, at_the_commit=at_the_commit)

    def work(transaction: Transaction) -> str:
        attempts.append(1)
        transaction.send_all([says(ADD, id=1)])
        transaction.finish([says(ADD, id=2), says("insert into tried values (:fails)", fails=len(attempts) == 1)])
        return "done"

    assert scratch.transact(work) == "done"
    assert len(attempts) == 2
    assert sizes(scratch) == [1, 1]


def test_a_deadlock_that_never_ends_may_be_gone_later(scratch: Database) -> None:
    fail_once(scratch, "40P01", at_the_commit=True)
    attempts = []

    def work(transaction: Transaction) -> None:
        attempts.append(1)
        transaction.finish([says(ADD, id=1), says("insert into tried values (true)")])

    with pytest.raises(TransientError, match="40P01"):
        scratch.transact(work)
    assert len(attempts) == 3
    assert sizes(scratch) == [0, 0]


def fail_once(database: Database, code: str, *, at_the_commit: bool) -> None:
    """A table that refuses the row `true` with this error, at once or at the commit."""
    database.run_script(
        f"""create table tried (fails boolean);
            create function refuse() returns trigger language plpgsql as
            $$ begin if new.fails then raise 'no' using errcode = '{code}'; end if; return null; end $$;
            create constraint trigger refuse after insert on tried
            deferrable initially {"deferred" if at_the_commit else "immediate"}
            for each row execute function refuse()"""
    )


@pytest.mark.parametrize(
    "more",
    [
        lambda transaction: transaction.run(says(SIZES).query),
        lambda transaction: transaction.send_all([]),
        lambda transaction: transaction.run_script("select 1"),
        lambda transaction: transaction.finish(),
        lambda transaction: transaction.after_commit(print),
    ],
    ids=["run", "send_all", "run_script", "finish", "after_commit"],
)
def test_a_finished_transaction_takes_nothing_more(scratch: Database, more: Callable[[Transaction], object]) -> None:
    def work(transaction: Transaction) -> None:
        transaction.finish([says(ADD, id=1)])
        more(transaction)

    with pytest.raises(RuntimeError, match="finished"):
        scratch.transact(work)
    assert sizes(scratch) == [1, 0]


def test_work_that_hides_the_failure_of_its_finish_does_not_pass_for_committed(scratch: Database) -> None:
    def work(transaction: Transaction) -> None:
        with pytest.raises(RejectedInput):
            transaction.finish([says(ADD, id=1), says("select 1 / 0")])

    with pytest.raises(RuntimeError, match="finished"):
        scratch.transact(work)
    assert sizes(scratch) == [0, 0]


def test_work_that_hides_a_failed_statement_does_not_pass_for_committed(scratch: Database) -> None:
    def work(transaction: Transaction) -> None:
        transaction.run(says(ADD, id=1).query, id=1)
        with pytest.raises(RejectedInput):
            transaction.run(says("select 1 / 0").query)

    with pytest.raises(FatalError, match="nothing was committed"):
        scratch.transact(work)
    assert sizes(scratch) == [0, 0]


def test_two_statements_in_one_are_refused(scratch: Database) -> None:
    with pytest.raises(FatalError, match="not one statement"):
        scratch.transact(lambda transaction: transaction.send_all([says("select 1; select 2"), says("select 3")]))


def test_what_follows_a_commit_finds_it_done_and_keeps_its_order(scratch: Database, empty_database_url: str) -> None:
    other = Database(empty_database_url)
    calls: list[tuple[str, list[int]]] = []

    def work(transaction: Transaction) -> None:
        transaction.after_commit(lambda: calls.append(("first", sizes(other))))
        transaction.run(says(ADD).query, id=1)
        transaction.after_commit(lambda: calls.append(("second", sizes(scratch))))
        assert len(calls) in {0, 2}

    scratch.transact(work)

    def finishing(transaction: Transaction) -> None:
        work(transaction)
        transaction.finish()

    scratch.transact(finishing)
    assert calls == [("first", [1, 0]), ("second", [1, 0]), ("first", [2, 0]), ("second", [2, 0])]
    other.close()


def test_what_follows_a_commit_is_forgotten_with_the_attempt_that_asked_for_it(scratch: Database) -> None:
    fail_once(scratch, "40001", at_the_commit=True)
    attempts: list[int] = []
    calls: list[int] = []

    def work(transaction: Transaction) -> None:
        attempts.append(1)
        attempt = len(attempts)
        transaction.after_commit(lambda: calls.append(attempt))
        transaction.finish([says("insert into tried values (:fails)", fails=attempt == 1)])

    scratch.transact(work)
    assert calls == [2]


@pytest.mark.parametrize("finishes", [False, True])
def test_what_follows_a_commit_is_forgotten_with_a_transaction_that_failed(scratch: Database, finishes: bool) -> None:
    calls: list[str] = []

    def work(transaction: Transaction) -> None:
        transaction.after_commit(lambda: calls.append("called"))
        if finishes:
            transaction.finish([says("select 1 / 0")])
        transaction.run(says("select 1 / 0").query)

    with pytest.raises(RejectedInput):
        scratch.transact(work)
    assert calls == []


def test_an_error_of_what_follows_a_commit_leaves_it_committed(scratch: Database) -> None:
    def fail() -> None:
        raise TransientError("the queue is away")

    def work(transaction: Transaction) -> None:
        transaction.run(says(ADD).query, id=1)
        transaction.after_commit(fail)

    with pytest.raises(TransientError, match="queue"):
        scratch.transact(work)
    assert sizes(scratch) == [1, 0]


@pytest.mark.parametrize(("reaches_server", "outcome"), [(1.0, [1, 1]), (0.5, [0, 0])])
@pytest.mark.parametrize("finishes", [False, True])
def test_a_connection_cut_at_the_commit_is_an_unknown_outcome_and_no_repetition(
    scratch: Database, empty_database_url: str, reaches_server: float, outcome: list[int], finishes: bool
) -> None:
    attempts: list[int] = []
    calls: list[str] = []

    def work(transaction: Transaction) -> None:
        attempts.append(1)
        transaction.after_commit(lambda: calls.append("called"))
        transaction.send_all([says(ADD, id=1)])
        if finishes:
            transaction.finish([says(ADD, id=2)])
        transaction.send_all([says(ADD, id=2)])

    with CountingProxy(empty_database_url, cut_after="commit", reaches_server=reaches_server) as proxy:
        database = Database(proxy.url, timeout=5)
        with pytest.raises(TransientError, match="unknown"):
            database.transact(work)
        database.close()
    wait_until(lambda: not scratch.run(says(OTHER_CONNECTIONS).query))
    assert (len(attempts), calls) == (1, [])
    assert sizes(scratch) == outcome
