"""What happens to an incident while somebody is telling it, and who may read of it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crm_relay.incidents.message import AlertMessage
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import close_incidents, keep_open, open_incidents
from crm_relay.incidents.send_alerts import QUIET, AlertReport, send_alerts
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.platform.sql import Query, SqlValue
from tests.support.platform.rows import one, rows_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
KIND = "account_disconnected"
OPENED = "Sender account disconnected in workspace Northwind"
RECOVERED = f"Recovered: {OPENED}"


def account(number: int = 1, workspace: str = "Northwind") -> Incident:
    return Incident(KIND, f"account {number}", "Sender account(s) disconnected", workspace)


def nothing() -> None:
    """Happens while most messages are sent."""


@dataclass
class BusyChannel:
    """A channel that keeps what it took; `meanwhile` happens while it sends, and may be that it fails."""

    name: str = "slack"
    meanwhile: Callable[[], object] = nothing
    titles: list[str] = field(default_factory=list)

    def send(self, message: AlertMessage) -> None:
        self.meanwhile()
        self.titles.append(message.title)


def fails(error: Exception) -> Callable[[], None]:
    def raises() -> None:
        raise error

    return raises


@pytest.fixture
def elsewhere(database_url: str) -> Iterator[Database]:
    """Another process's connection."""
    database = Database(database_url)
    yield database
    database.close()


def state(database: Database) -> Row:
    return one(database, "select * from incidents where told_closed_at is null")


def test_what_closes_while_its_opening_is_told_is_told_as_over_too(database: Database, elsewhere: Database) -> None:
    heard = BusyChannel(meanwhile=lambda: close_incidents(elsewhere, KIND, ["account 1"], NOON))
    open_incidents(database, [account()], NOON)
    send_alerts(database, [heard], NOON)
    send_alerts(database, [heard], NOON + QUIET)
    assert heard.titles == [OPENED, RECOVERED]


def test_what_opens_again_while_its_recovery_is_told_is_told_again(database: Database, elsewhere: Database) -> None:
    heard = BusyChannel()
    open_incidents(database, [account()], NOON)
    send_alerts(database, [heard], NOON)
    close_incidents(database, KIND, ["account 1"], NOON)
    heard.meanwhile = lambda: open_incidents(elsewhere, [account()], LATER)
    send_alerts(database, [heard], LATER)
    heard.meanwhile = nothing
    for minutes in range(3):
        send_alerts(database, [heard], LATER + timedelta(minutes=minutes))
    assert heard.titles == [OPENED, RECOVERED, OPENED]


def test_what_opens_and_closes_again_while_its_recovery_is_told_is_over(
    database: Database, elsewhere: Database
) -> None:
    def flaps() -> None:
        open_incidents(elsewhere, [account()], LATER)
        close_incidents(elsewhere, KIND, ["account 1"], LATER)

    heard = BusyChannel()
    open_incidents(database, [account()], NOON)
    send_alerts(database, [heard], NOON)
    close_incidents(database, KIND, ["account 1"], NOON)
    heard.meanwhile = flaps
    send_alerts(database, [heard], LATER)
    heard.meanwhile = nothing
    send_alerts(database, [heard], LATER + QUIET)
    assert heard.titles == [OPENED, RECOVERED]
    assert rows_of(database, "select from incidents where told_closed_at is null") == []


def test_a_recovery_that_one_of_two_heard_is_followed_by_the_opening_for_both(database: Database) -> None:
    slack, topic = BusyChannel(), BusyChannel("sns")
    open_incidents(database, [account()], NOON)
    send_alerts(database, [slack, topic], NOON)
    close_incidents(database, KIND, ["account 1"], NOON)
    topic.meanwhile = fails(TransientError("sns publish: Throttling"))
    send_alerts(database, [slack, topic], LATER)
    assert state(database)["taken_by"] == ["slack"]
    topic.meanwhile = nothing
    open_incidents(database, [account()], LATER)
    send_alerts(database, [slack, topic], LATER)
    assert slack.titles == [OPENED, RECOVERED, OPENED]
    assert topic.titles == [OPENED, OPENED]


def test_a_channel_that_was_away_hears_of_the_opening_and_then_of_the_end(database: Database) -> None:
    slack, topic = BusyChannel(), BusyChannel("sns", meanwhile=fails(TransientError("sns publish: Throttling")))
    open_incidents(database, [account()], NOON)
    send_alerts(database, [slack, topic], NOON)
    close_incidents(database, KIND, ["account 1"], NOON)
    topic.meanwhile = nothing
    assert send_alerts(database, [slack, topic], NOON) == AlertReport(sent=0, failed=0)
    assert send_alerts(database, [slack, topic], LATER) == AlertReport(sent=1, failed=0)
    assert (slack.titles, topic.titles) == ([OPENED, RECOVERED], [OPENED, RECOVERED])


def test_a_channel_that_fails_between_the_two_hears_each_once(database: Database) -> None:
    slack, topic = BusyChannel(), BusyChannel("sns", meanwhile=fails(TransientError("sns publish: Throttling")))
    open_incidents(database, [account()], NOON)
    send_alerts(database, [slack, topic], NOON)
    close_incidents(database, KIND, ["account 1"], NOON)

    def fails_at_the_second() -> None:
        if topic.titles:
            raise TransientError("sns publish: Throttling")

    topic.meanwhile = fails_at_the_second
    assert send_alerts(database, [slack, topic], LATER) == AlertReport(sent=0, failed=1)
    topic.meanwhile = nothing
    assert send_alerts(database, [slack, topic], LATER + timedelta(minutes=5)) == AlertReport(sent=1, failed=0)
    assert (slack.titles, topic.titles) == ([OPENED, RECOVERED], [OPENED, RECOVERED])


@pytest.mark.parametrize("compares", [False, True])
def test_a_channel_that_was_away_hears_of_what_opened_again_before_its_end_was_told(
    database: Database, *, compares: bool
) -> None:
    slack, topic = BusyChannel(), BusyChannel("sns", meanwhile=fails(TransientError("sns publish: Throttling")))
    open_incidents(database, [account()], NOON)
    send_alerts(database, [slack, topic], NOON)
    close_incidents(database, KIND, ["account 1"], NOON)
    slack.meanwhile = topic.meanwhile
    send_alerts(database, [slack, topic], LATER)
    slack.meanwhile = topic.meanwhile = nothing
    if compares:
        keep_open(database, KIND, [account()], LATER)
    else:
        open_incidents(database, [account()], LATER)
    send_alerts(database, [slack, topic], LATER)
    assert (slack.titles, topic.titles) == ([OPENED], [OPENED])


def test_where_every_channel_is_gone_the_news_waits_for_one_that_is_mended(database: Database) -> None:
    heard = BusyChannel(meanwhile=fails(FatalError("Slack: destination disabled, no_service")))
    open_incidents(database, [account()], NOON)
    assert send_alerts(database, [heard], NOON) == AlertReport(sent=0, failed=1)
    heard.meanwhile = nothing
    assert send_alerts(database, [heard], LATER) == AlertReport(sent=1, failed=0)


def test_one_call_asks_a_channel_that_is_gone_once_and_another_one_for_every_group(database: Database) -> None:
    tries: list[int] = []

    def gone() -> None:
        tries.append(1)
        raise FatalError("Slack: destination disabled, no_service")

    topic = BusyChannel("sns")
    open_incidents(database, [account(number, f"W{number}") for number in range(5)], NOON)
    assert send_alerts(database, [BusyChannel(meanwhile=gone), topic], NOON) == AlertReport(sent=5, failed=0)
    assert (len(tries), len(topic.titles)) == (1, 5)


def test_a_message_that_a_channel_refuses_holds_up_no_other(database: Database) -> None:
    class Picky(BusyChannel):
        def send(self, message: AlertMessage) -> None:
            if "W1" in message.title:
                raise RejectedInput("Slack refuses the message: invalid_payload")
            super().send(message)

    slack = Picky()
    open_incidents(database, [account(number, f"W{number}") for number in range(3)], NOON)
    assert send_alerts(database, [slack], NOON) == AlertReport(sent=2, failed=1)
    assert len(slack.titles) == 2


def test_a_channel_that_breaks_in_an_unforeseen_way_makes_no_other_tell_twice(database: Database) -> None:
    topic, slack = BusyChannel("sns"), BusyChannel(meanwhile=fails(KeyError("x")))
    open_incidents(database, [account()], NOON)
    with pytest.raises(KeyError):
        send_alerts(database, [topic, slack], NOON)
    slack.meanwhile = nothing
    assert send_alerts(database, [topic, slack], NOON) == AlertReport(sent=1, failed=0)
    assert (len(topic.titles), len(slack.titles)) == (1, 1)


def test_a_teller_whose_claim_ran_out_does_not_touch_that_of_the_next_one(
    database: Database, elsewhere: Database
) -> None:
    second = BusyChannel("sns")

    def overtaken() -> None:
        with suppress(TransientError):
            send_alerts(elsewhere, [second], LATER)

    slow = BusyChannel(meanwhile=overtaken)
    second.meanwhile = fails(KeyError("the next one dies as well"))
    open_incidents(database, [account()], NOON)
    with pytest.raises(KeyError):
        send_alerts(database, [slow], NOON)
    assert state(database)["attempts"] == 1, "the second one's, who wrote while the claim was its own"


def test_what_closes_between_the_look_and_the_claim_is_settled_without_an_error(
    database: Database, elsewhere: Database, database_url: str
) -> None:
    class Slow(Database):
        def run(self, query: Query, **values: SqlValue) -> list[Row]:
            look = "where told_closed_at is null\n        and (claimed_until"
            assert query.sql.count(look) == 1
            slowed = query.sql.replace(look, look.replace("where", "where (select pg_sleep(1)::text) is not null and"))
            return super().run(Query.parse("slowed", "looks, waits, then locks", slowed), **values)

    open_incidents(database, [account()], NOON)
    closing = threading.Timer(0.4, lambda: close_incidents(elsewhere, KIND, ["account 1"], NOON))
    closing.start()
    heard, slow = BusyChannel(), Slow(database_url)
    assert send_alerts(slow, [heard], LATER) == AlertReport(0, 0)
    closing.join()
    slow.close()
    assert rows_of(database, "select from incidents where told_closed_at is null") == []


class Counted(Database):
    """Counts the statements that go out."""

    statements = 0

    def run(self, query: Query, **values: SqlValue) -> list[Row]:
        self.statements += 1
        return super().run(query, **values)


@pytest.mark.parametrize("number", [1, 700])
def test_any_number_costs_one_statement_to_keep_and_two_to_tell(database_url: str, number: int) -> None:
    database = Counted(database_url)
    everything = [account(each, f"W{each % 24}") for each in range(number)]
    open_incidents(database, everything, NOON)
    keep_open(database, KIND, everything, NOON)
    close_incidents(database, KIND, [f"gone {each}" for each in range(number)], NOON)
    assert database.statements == 3
    send_alerts(database, [BusyChannel()], NOON)
    assert database.statements == 5
    database.close()


def test_nothing_new_costs_one_statement_and_takes_no_claim(database_url: str) -> None:
    database = Counted(database_url)
    assert send_alerts(database, [BusyChannel()], NOON) == AlertReport(0, 0)
    assert database.statements == 1
    database.close()


def test_eight_who_open_close_and_compare_at_once_never_wait_for_each_other(database_url: str) -> None:
    everything = [account(number) for number in range(60)]
    failures: list[BaseException] = []

    def churn(position: int) -> None:
        database = Database(database_url)
        try:
            for turn in range(12):
                some = everything[(position + turn) % 5 :: 2]
                keep_open(database, KIND, some, NOON)
                open_incidents(database, everything[(position * turn) % 7 :: 3][::-1], NOON)
                close_incidents(database, KIND, [each.subject for each in some], NOON)
                send_alerts(database, [BusyChannel()], NOON + timedelta(minutes=5 * turn))
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=churn, args=(position,)) for position in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


ADA, STRANGER = UUID(int=1), UUID(int=2)


def seen_by(database: Database, role: str, user: UUID) -> list[str]:
    def look(transaction: Transaction) -> list[str]:
        claims = "select set_config('request.jwt.claims', json_build_object('sub', cast(:user as text))::text, true)"
        transaction.run(Query.parse("claims", "says who asks", claims), user=user)
        transaction.run(Query.parse("role", "is that role", f"set local role {role}"))
        rows = transaction.run(Query.parse("look", "reads the table", "select subject from incidents order by 1"))
        return [row["subject"] for row in rows]

    return database.transact(look)


def test_only_the_members_of_a_workspace_read_its_incidents(database: Database) -> None:
    database.run_script(
        f"""insert into user_profiles (id) values ('{ADA}'), ('{STRANGER}');
            insert into workspaces (id, name) values ('{ADA}', 'Northwind'), ('{STRANGER}', 'Contoso');
            insert into workspace_members (workspace_id, user_id)
                values ('{ADA}', '{ADA}'), ('{STRANGER}', '{STRANGER}')"""
    )
    nobodys = Incident(KIND, "account 3", "Sender account(s) disconnected")
    open_incidents(database, [account(1), account(2, "Fabrikam"), nobodys], NOON)
    assert seen_by(database, "authenticated", ADA) == ["account 1"]
    assert seen_by(database, "authenticated", STRANGER) == []
    assert seen_by(database, "crm_relay", STRANGER) == ["account 1", "account 2", "account 3"]
    with pytest.raises(FatalError, match="42501"):
        seen_by(database, "anon", ADA)
