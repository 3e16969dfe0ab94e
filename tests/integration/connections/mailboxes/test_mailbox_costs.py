"""What a mailbox costs the database: constants, whatever comes in and leaves."""

from __future__ import annotations

from uuid import UUID

from crm_relay.platform.database import Database, Row
from local.simulators.gmail import GmailSimulator
from tests.support.connections.gmail_stage import GmailStage


class CountingMessages(Database):
    """Messages to the server, but for permits of the limiter, which are taken in blocks."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sent = 0

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        self.sent += "integration_limits" not in sql
        return super()._send(sql, **more)


def messages_of_sync(gmail: GmailStage) -> int:
    assert isinstance(gmail.connection, UUID)
    database = CountingMessages(gmail.url)
    assert gmail.open(gmail.connection, database).sync().success
    database.close()
    return database.sent


def test_a_page_of_mail_costs_as_many_messages_as_one_mail(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    gmail.sync()
    counts = []
    for number in (1, 40):
        for each in range(number):
            gmail_sim.deliver(f"m{number}-{each}@example.com")
        gmail.pass_time()
        counts.append(messages_of_sync(gmail))
    assert len(gmail.items()) == 41
    assert counts[0] == counts[1]


def test_each_pitch_costs_the_same_and_an_idle_mailbox_next_to_nothing(gmail: GmailStage) -> None:
    gmail.sync()
    gmail.pass_time()
    idle = messages_of_sync(gmail)
    counts = []
    for number in (1, 4):
        for each in range(number):
            gmail.pitch(f"p{number}-{each}@example.com")
        gmail.pass_time()
        counts.append(messages_of_sync(gmail) - idle)
    assert len(gmail.sent()) == 5
    one_more = (counts[1] - counts[0]) / 3
    assert one_more == 7, "claim and facts, record; facts again, record; sent, its incident, commit"
    assert counts[0] <= one_more + 1
    assert idle <= 20
