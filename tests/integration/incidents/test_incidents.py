"""One alert an incident, closed by its recovery; whoever tells, and however many of them there are."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import pytest

from crm_relay.incidents.message import AlertMessage
from crm_relay.incidents.models import Incident, Kept
from crm_relay.incidents.record import close_incidents, keep_open, open_incidents
from crm_relay.incidents.send_alerts import QUIET, AlertReport, send_alerts
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.errors import FatalError, TransientError
from tests.support.platform.rows import rows_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
KIND = "account_disconnected"


def account(number: int, workspace: str = "Northwind") -> Incident:
    return Incident(KIND, f"account {number}", "Sender account(s) disconnected", workspace)


@dataclass
class RecordingChannel:
    """A channel that keeps what it took, or fails with `error`."""

    name: str = "slack"
    error: Exception | None = None
    titles: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def send(self, message: AlertMessage) -> None:
        if self.error is not None:
            raise self.error
        self.titles.append(message.title)
        self.texts.append(message.text)


class Dies:
    """A channel in which the process ends, once the message has gone."""

    name = "slack"

    def send(self, _message: AlertMessage) -> NoReturn:
        os._exit(9)


def incidents(database: Database) -> list[Row]:
    return rows_of(database, "select * from incidents order by id")


def test_an_incident_is_told_once_however_often_it_is_found(database: Database) -> None:
    heard = RecordingChannel()
    assert open_incidents(database, [account(1)], NOON) == 1
    for minutes in range(0, 50, 5):
        now = NOON + timedelta(minutes=minutes)
        assert open_incidents(database, [account(1), account(1)], now) == 0
        send_alerts(database, [heard], now)
    assert heard.titles == ["Sender account disconnected in workspace Northwind"]
    assert incidents(database)[0]["opened_at"] == NOON


def test_many_of_a_kind_are_one_message_a_workspace(database: Database) -> None:
    heard = RecordingChannel()
    open_incidents(database, [account(number) for number in range(30)] + [account(99, "Contoso")], NOON)
    assert send_alerts(database, [heard], NOON) == AlertReport(sent=31, failed=0)
    assert heard.titles == [
        "30 sender accounts disconnected in workspace Northwind",
        "Sender account disconnected in workspace Contoso",
    ]
    assert heard.texts[0].count("•") == 20
    assert heard.texts[0].endswith("and 10 more")


def test_a_recovery_is_told_after_it_has_held_for_a_while(database: Database) -> None:
    heard = RecordingChannel()
    open_incidents(database, [account(1)], NOON)
    send_alerts(database, [heard], NOON)
    assert close_incidents(database, KIND, ["account 1"], NOON + timedelta(hours=1)) == 1
    send_alerts(database, [heard], NOON + timedelta(hours=1))
    assert len(heard.titles) == 1
    send_alerts(database, [heard], NOON + timedelta(hours=1) + QUIET)
    send_alerts(database, [heard], NOON + timedelta(hours=2) + QUIET)
    assert heard.titles[1:] == ["Recovered: Sender account disconnected in workspace Northwind"]


def test_what_recovers_before_anybody_heard_of_it_is_never_told(database: Database) -> None:
    heard = RecordingChannel()
    open_incidents(database, [account(1)], NOON)
    close_incidents(database, KIND, ["account 1"], NOON)
    send_alerts(database, [heard], NOON + QUIET)
    send_alerts(database, [heard], NOON + 2 * QUIET)
    assert heard.titles == []
    assert incidents(database)[0]["told_closed_at"] is not None


def test_who_flaps_alerts_once(database: Database) -> None:
    heard = RecordingChannel()
    for minutes in range(0, 60, 5):
        now = NOON + timedelta(minutes=minutes)
        if minutes % 10:
            close_incidents(database, KIND, ["account 1"], now)
        else:
            open_incidents(database, [account(1)], now)
        send_alerts(database, [heard], now)
    assert len(heard.titles) == 1
    assert len(incidents(database)) == 1


def test_after_its_recovery_was_told_the_same_trouble_is_a_new_incident(database: Database) -> None:
    heard = RecordingChannel()
    open_incidents(database, [account(1)], NOON)
    send_alerts(database, [heard], NOON)
    close_incidents(database, KIND, ["account 1"], NOON)
    send_alerts(database, [heard], NOON + QUIET)
    assert open_incidents(database, [account(1)], NOON + 2 * QUIET) == 1
    send_alerts(database, [heard], NOON + 2 * QUIET)
    assert len(heard.titles) == 3
    assert len(incidents(database)) == 2


def test_a_comparison_opens_what_is_new_and_closes_what_is_over_in_its_scope(database: Database) -> None:
    open_incidents(database, [account(1), account(2), account(9, "Contoso")], NOON)
    assert keep_open(database, KIND, [account(2), account(3)], NOON, scope="Northwind") == Kept(opened=1, closed=1)
    assert keep_open(database, KIND, [account(2), account(3)], NOON, scope="Northwind") == Kept(opened=0, closed=0)
    still = {row["subject"] for row in incidents(database) if row["closed_at"] is None}
    assert still == {"account 2", "account 3", "account 9"}
    with pytest.raises(ValueError, match="one kind and scope"):
        keep_open(database, KIND, [account(1, "Contoso")], NOON, scope="Northwind")


def test_a_channel_that_fails_for_now_gets_it_next_time_and_the_others_not_again(database: Database) -> None:
    slack, topic = RecordingChannel(error=TransientError("slack: status 503")), RecordingChannel("sns")
    open_incidents(database, [account(1)], NOON)
    assert send_alerts(database, [slack, topic], NOON) == AlertReport(sent=0, failed=1)
    assert incidents(database)[0]["attempts"] == 1
    slack.error = None
    assert send_alerts(database, [slack, topic], NOON + timedelta(minutes=5)) == AlertReport(sent=1, failed=0)
    assert (len(slack.titles), len(topic.titles)) == (1, 1)


def test_a_channel_that_is_gone_silences_no_other_and_is_not_tried_for_ever(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    slack, topic = RecordingChannel(error=FatalError("slack: no_service")), RecordingChannel("sns")
    open_incidents(database, [account(1)], NOON)
    assert send_alerts(database, [slack, topic], NOON) == AlertReport(sent=1, failed=0)
    assert send_alerts(database, [slack, topic], NOON + timedelta(hours=1)) == AlertReport(sent=0, failed=0)
    assert len(topic.titles) == 1
    logged = capsys.readouterr().out
    assert "AlertChannelBroken" in logged
    assert "account 1" not in logged


def test_without_any_channel_incidents_wait(database: Database) -> None:
    open_incidents(database, [account(1)], NOON)
    assert send_alerts(database, [], NOON) == AlertReport(sent=0, failed=0)
    heard = RecordingChannel()
    send_alerts(database, [heard], NOON + timedelta(days=1))
    assert len(heard.titles) == 1


def test_who_dies_after_sending_leaves_it_to_the_next_one_once_the_claim_has_run_out(
    database: Database, database_url: str
) -> None:
    heard = RecordingChannel()
    open_incidents(database, [account(1)], NOON)
    child = os.fork()
    if child == 0:
        send_alerts(Database(database_url), [Dies()], NOON)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    send_alerts(database, [heard], NOON + timedelta(minutes=4))
    assert heard.titles == []
    send_alerts(database, [heard], NOON + timedelta(minutes=5))
    send_alerts(database, [heard], NOON + timedelta(hours=1))
    assert len(heard.titles) == 1


def test_with_no_time_left_nothing_is_sent_and_nothing_is_lost(database: Database) -> None:
    heard = RecordingChannel()
    open_incidents(database, [account(1)], NOON)
    assert send_alerts(database, [heard], NOON, deadline=Deadline.after(1)) == AlertReport(sent=0, failed=1)
    assert send_alerts(database, [heard], NOON) == AlertReport(sent=1, failed=0)


@pytest.fixture
def connections(database_url: str) -> Iterator[list[Database]]:
    opened = [Database(database_url) for _ in range(8)]
    yield opened
    for each in opened:
        each.close()


def at_once(connections: list[Database], work: list[object]) -> None:
    gate, failures = threading.Barrier(len(connections)), list[BaseException]()

    def run(position: int) -> None:
        gate.wait()
        try:
            work[position]()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    threads = [threading.Thread(target=run, args=(position,)) for position in range(len(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_eight_who_tell_at_once_tell_each_incident_once(database: Database, connections: list[Database]) -> None:
    open_incidents(database, [account(number, f"W{number}") for number in range(40)], NOON)
    heard = [RecordingChannel() for _ in connections]
    at_once(connections, [lambda p=p: send_alerts(connections[p], [heard[p]], NOON) for p in range(8)])
    titles = [title for each in heard for title in each.titles]
    assert sorted(titles) == sorted(f"Sender account disconnected in workspace W{number}" for number in range(40))


def test_eight_who_open_and_close_at_once_leave_one_incident_a_subject(connections: list[Database]) -> None:
    everything = [account(number) for number in range(20)]

    def churn(db: Database, position: int) -> None:
        for turn in range(10):
            if (turn + position) % 2:
                open_incidents(db, everything if position % 2 else everything[::-1], NOON)
            else:
                close_incidents(db, KIND, [each.subject for each in everything], NOON)

    at_once(connections, [lambda p=p: churn(connections[p], p) for p in range(8)])
    open_incidents(connections[0], everything, NOON)
    found = incidents(connections[0])
    assert [row["subject"] for row in found if row["closed_at"] is None] == [row["subject"] for row in found]
    assert len(found) == len(everything)
