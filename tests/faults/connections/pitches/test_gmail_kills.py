"""Every fault at every request of a mailbox, and a death at every step: pitches leave once, replies are kept once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm_relay.connections.pitches.orders import PitchOrder, order_pitch
from crm_relay.connections.pitches.show_pitches import show_pitch
from crm_relay.platform.database import Database
from local.simulators.clock import MovableClock
from local.simulators.gmail import GmailSimulator
from tests.support.connections.gmail_stage import GmailStage
from tests.support.connections.gmail_trial import GmailTrial
from tests.support.connections.kit import FAULTS, READING_FAULTS
from tests.support.processes.sudden_death import Life

OWN = ("403_rate", "500_after", "cut_before")
"""What Gmail does besides what every vendor of the kit does."""


@pytest.fixture
def sim() -> Iterator[GmailSimulator]:
    with GmailSimulator(clock=MovableClock(), units_per_minute=None) as running:
        yield running


@pytest.fixture
def gmail(database: Database, database_url: str, sim: GmailSimulator) -> GmailStage:
    made = GmailStage(database, database_url, sim)
    made.link()
    return made


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", sorted({*FAULTS, *READING_FAULTS, *OWN}))
def test_a_fault_at_any_request(
    database: Database, database_url: str, sim: GmailSimulator, kind: str, every: int
) -> None:
    whole = GmailTrial(database, database_url, sim)
    before = sim.calls
    whole.life()
    count = sim.calls - before
    whole.settle()
    whole.assert_once()
    assert count > 8
    for number in range(len(kind) % every, count, every):
        trial = GmailTrial(database, database_url, sim)
        sim.fault(kind, skip=number, seconds=0.01)
        trial.life()
        assert sim.faults.pending == 0, number
        trial.settle()
        trial.assert_once()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_a_death_at_any_step(
    database: Database, database_url: str, sim: GmailSimulator, every: int, *, before: bool
) -> None:
    whole = Life()
    GmailTrial(database, database_url, sim).life(whole)
    assert whole.taken > 40
    for step in range(1 + int(before), whole.taken + 1, every):
        trial = GmailTrial(database, database_url, sim)
        trial.life(Life(step, before))
        trial.settle()
        trial.assert_once()


@pytest.mark.parametrize("kind", ["lost", "500_after", "truncated", "html", "hang", "cut_before", "500", "404"])
@pytest.mark.parametrize("replaces", [False, True], ids=["ours", "replaced"])
def test_a_pitch_whose_sending_had_no_answer_leaves_once(
    gmail: GmailStage, sim: GmailSimulator, kind: str, *, replaces: bool
) -> None:
    """Also where Google puts its own Message-ID in the place of ours: then the conversation shows it."""
    sim.switch(replaces_message_ids=replaces)
    pitch = gmail.pitch()
    sim.fault(kind, match="drafts/send", seconds=0.01)
    gmail.sync()
    assert gmail.waits_for(pitch) == ("sending", "unclear")
    gmail.sync()
    assert gmail.waits_for(pitch) == ("sending", "unclear")
    for _ in range(3):
        gmail.pass_time()
        gmail.sync()
    assert (gmail.status(pitch), gmail.sent(), gmail.drafts()) == ("sent", ["ada@example.com"], 0)


@pytest.mark.parametrize(("order", "status"), [(PitchOrder.SENT, "sent"), (PitchOrder.NOT_SENT, "failed")])
def test_what_stays_unclear_is_parked_and_has_an_exit(
    gmail: GmailStage, sim: GmailSimulator, order: PitchOrder, status: str
) -> None:
    pitch = gmail.pitch()
    sim.fault("lost", match="drafts/send")
    gmail.sync()
    for message in sim.sent():
        sim.delete_message(message)
    for _ in range(3):
        gmail.pass_time()
        gmail.sync()
        assert gmail.waits_for(pitch) == ("sending", "unclear")
    gmail.pass_time(6 * 3600)
    gmail.sync()
    assert (gmail.status(pitch), gmail.incidents()) == ("unknown", ["pitch_unknown"])
    shown = show_pitch(gmail.db, pitch)
    assert shown.exits == ["sent", "not-sent"]
    gmail.pass_time(86_400)
    gmail.sync()
    assert gmail.sent() == []
    assert order_pitch(gmail.db, pitch, order, "mary", gmail.now()).status == status
    assert gmail.incidents() == []
    if order is PitchOrder.NOT_SENT:
        order_pitch(gmail.db, pitch, PitchOrder.SEND, "mary", gmail.now())
        gmail.sync()
        assert (gmail.status(pitch), gmail.sent()) == ("sent", ["ada@example.com"])


def test_a_draft_that_a_person_removes_is_not_made_again(gmail: GmailStage, sim: GmailSimulator) -> None:
    """Whether they sent it by hand and deleted it, nobody knows."""
    pitch = gmail.pitch()
    sim.fault("429", match="drafts/send")
    gmail.sync()
    sim.delete_drafts()
    gmail.pass_time()
    gmail.sync()
    assert gmail.waits_for(pitch) == ("sending", "unclear")
    gmail.pass_time(7 * 3600)
    gmail.sync()
    assert (gmail.status(pitch), gmail.sent(), gmail.drafts()) == ("unknown", [], 0)


def test_a_reply_proves_that_a_parked_pitch_left(gmail: GmailStage, sim: GmailSimulator) -> None:
    pitch = gmail.pitch()
    sim.fault("lost", match="drafts/send")
    gmail.sync()
    (sent,) = sim.sent()
    sim.delete_message(sent)
    gmail.pass_time(7 * 3600)
    gmail.sync()
    assert gmail.incidents() == ["pitch_unknown"]
    sim.deliver("Ada <ada@example.com>", answers=sent.message_id)
    gmail.pass_time()
    gmail.sync()
    assert (gmail.status(pitch), gmail.incidents()) == ("sent", [])


def test_a_draft_that_was_not_stored_is_found_and_not_made_twice(gmail: GmailStage, sim: GmailSimulator) -> None:
    pitch = gmail.pitch()
    sim.fault("lost", match="POST /gmail/v1/users/me/drafts")
    gmail.sync()
    assert (gmail.waits_for(pitch), gmail.drafts()) == (("queued", "provider_rest"), 1)
    gmail.pass_time()
    gmail.sync()
    assert (gmail.status(pitch), gmail.sent(), gmail.drafts()) == ("sent", ["ada@example.com"], 0)
