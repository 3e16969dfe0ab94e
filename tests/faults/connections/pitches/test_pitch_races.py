"""Several workers over one mailbox at once, each without the lease of a sync: pitches leave once, and the cap holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from crm_relay.connections.pitches.carry_pitch import PitchDesk
from crm_relay.connections.pitches.models import MailboxSender
from crm_relay.connections.pitches.send_pitches import PitchRun
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.gmail.connector import GmailConnector
from local.simulators.clock import MovableClock
from local.simulators.gmail import GmailSimulator
from tests.support.connections.airtable_stage import TestAccess
from tests.support.connections.gmail_stage import MARY, GmailStage

WORKERS, PITCHES = 4, 6


@pytest.fixture
def sim() -> Iterator[GmailSimulator]:
    with GmailSimulator(clock=MovableClock(), units_per_minute=None) as running:
        yield running


@pytest.mark.parametrize("daily", [50, 3])
def test_workers_side_by_side(database: Database, database_url: str, sim: GmailSimulator, daily: int) -> None:
    gmail = GmailStage(database, database_url, sim)
    connection = gmail.link()
    pitches = [gmail.pitch(f"p{number}@example.com") for number in range(PITCHES)]
    sender = MailboxSender(connection, gmail.workspace, gmail.org, "gmail", MARY, daily)
    token = sim.consent("client")["access_token"]
    errors: list[BaseException] = []

    def work() -> None:
        own = Database(database_url)
        try:
            http = HttpClient(sim.url, timeout=(5, 5), repeats=0)
            mailbox = GmailConnector().open(http, TestAccess([token]), {}).mailbox()
            PitchRun(PitchDesk(own, mailbox, sender, gmail.policy, gmail.now), Deadline.after(60)).send_due()
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            own.close()

    workers = [threading.Thread(target=work) for _ in range(WORKERS)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert errors == []
    expected = min(daily, PITCHES)
    assert len(gmail.sent()) == len(set(gmail.sent())) == expected
    assert sorted(gmail.status(each) for each in pitches) == ["queued"] * (PITCHES - expected) + ["sent"] * expected


def test_a_worker_that_stalled_before_it_sent_sends_nothing_twice(
    database: Database, database_url: str, sim: GmailSimulator
) -> None:
    """Another one takes the pitch over, sends it, and then the first one wakes up."""
    gmail = GmailStage(database, database_url, sim)
    connection = gmail.link()
    pitch = gmail.pitch()
    sender = MailboxSender(connection, gmail.workspace, gmail.org, "gmail", MARY, 50)
    token = sim.consent("client")["access_token"]

    def desk(own: Database) -> PitchDesk:
        http = HttpClient(sim.url, timeout=(60, 60), repeats=0)
        mailbox = GmailConnector().open(http, TestAccess([token]), {}).mailbox()
        return PitchDesk(own, mailbox, sender, gmail.policy, gmail.now)

    first = Database(database_url)
    stalled = threading.Thread(target=lambda: PitchRun(desk(first), Deadline.after(60)).send_due())
    sim.fault("held", match="drafts/send")
    stalled.start()
    sim.wait_until_held()
    gmail.pass_time(400)
    PitchRun(desk(database), Deadline.after(60)).send_due()
    assert gmail.status(pitch) == "sent"
    sim.release()
    stalled.join()
    first.close()
    assert (gmail.status(pitch), gmail.sent()) == ("sent", ["ada@example.com"])
