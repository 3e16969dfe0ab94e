"""Every fault of Airtable at every request of a connection's life, and a death at every step: both sides end equal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm_relay.platform.database import Database
from local.simulators.airtable import AirtableFault, AirtableSimulator
from tests.support.connections.airtable_sync_stage import airtable_clock
from tests.support.connections.airtable_trial import AirtableTrial
from tests.support.processes.sudden_death import Life

EMAIL_TYPES = ["singleLineText", "email"]
KINDS = sorted(AirtableFault.kinds - {"held"})


@pytest.fixture
def sim() -> Iterator[AirtableSimulator]:
    with AirtableSimulator(clock=airtable_clock(), requests_per_second=None) as running:
        yield running


def requests_of(database: Database, url: str, sim: AirtableSimulator, email_type: str) -> int:
    """How many there are in a life without a fault, which ends as all of them have to."""
    trial = AirtableTrial(database, url, sim, email_type)
    before = sim.calls
    trial.life()
    count = sim.calls - before
    trial.settle()
    trial.assert_equal()
    return count


@pytest.mark.parametrize(
    ("every", "email_type"),
    [
        (4, "singleLineText"),
        (4, "email"),
        pytest.param(1, "singleLineText", marks=pytest.mark.slow),
        pytest.param(1, "email", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_any_request(
    database: Database, database_url: str, sim: AirtableSimulator, kind: str, every: int, email_type: str
) -> None:
    count = requests_of(database, database_url, sim, email_type)
    assert count > 6
    # Contacts go out by their ids, which are random: how they fall into batches may save a request or two.
    for number in range(KINDS.index(kind) % every, count - 2, every):
        trial = AirtableTrial(database, database_url, sim, email_type)
        sim.fault(kind, match="/v0/", skip=number, seconds=0.05)
        trial.life()
        assert sim.faults.pending == 0, number
        trial.settle()
        trial.assert_equal()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    ("every", "email_type"),
    [
        (11, "singleLineText"),
        (11, "email"),
        pytest.param(1, "singleLineText", marks=pytest.mark.slow),
        pytest.param(1, "email", marks=pytest.mark.slow),
    ],
)
def test_a_death_at_any_step(
    database: Database, database_url: str, sim: AirtableSimulator, every: int, email_type: str, *, before: bool
) -> None:
    whole = Life()
    AirtableTrial(database, database_url, sim, email_type).life(whole)
    assert whole.taken > 30
    for step in range(1, whole.taken + 1, every):
        trial = AirtableTrial(database, database_url, sim, email_type)
        trial.life(Life(step, before))
        trial.settle()
        trial.assert_equal()
