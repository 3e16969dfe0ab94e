"""Workers of campaign_cron die by SIGKILL, two at a time, while clocks jump, the provider fails and an operator stops
and resumes sending: nobody gets a mail twice and nobody loses a step. Without the ledger's keys the same trials find
somebody who does."""

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from crm_relay.platform.database import Database
from tests.support.campaigns.campaign_trials import Found, TrialStage
from tests.support.processes.fork_server import ForkServer

TRIALS, PER_TEST = 200, 20
SLOW_TRIALS = 2_000


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    """One process that forks for all of them."""
    with ForkServer() as server:
        yield server


@pytest.fixture
def stage(database: Database, database_url: str, forks: ForkServer) -> Iterator[TrialStage]:
    """An empty CRM with a postal address, and a Resend whose time is ours."""
    database.run_script("update organizations set postal_address = '1 Example Street'")
    simulator, _ = TrialStage.clocked()
    with simulator:
        yield TrialStage(database_url, database, simulator, forks)


def faultless(found: Found) -> bool:
    """Parked mails are told of and never sent again, so they may be there; nothing else may."""
    return (found.twice, found.lost, found.unfinished, found.unaccounted, found.while_stopped) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("first", range(0, TRIALS, PER_TEST))
def test_killed_workers_send_nothing_twice_and_lose_no_step(stage: TrialStage, first: int) -> None:
    found = {seed: stage.chaos(seed) for seed in range(first, first + PER_TEST)}

    assert {seed: asdict(each) for seed, each in found.items() if not faultless(each)} == {}
    assert sum(each.killed for each in found.values()) >= PER_TEST // 2
    assert sum(each.stops for each in found.values()) >= PER_TEST // 2


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10_000, 10_000 + SLOW_TRIALS, 100))
def test_two_thousand_more_of_them(stage: TrialStage, first: int) -> None:
    found = {seed: stage.chaos(seed) for seed in range(first, first + 100)}

    assert {seed: asdict(each) for seed, each in found.items() if not faultless(each)} == {}


def test_the_same_trials_without_the_ledgers_keys_find_somebody_who_gets_two(stage: TrialStage) -> None:
    twice = 0
    for seed in range(60):
        twice += stage.chaos(seed, ledger=False).twice
        if twice:
            break

    assert twice > 0


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_every_step_in_turn(stage: TrialStage, *, before: bool) -> None:
    # The first run of a new database arms it, by statements that no later run has.
    stage.live(stage.order({}))
    peaceful = stage.campaign()
    steps = stage.live(stage.order({}))["steps"]
    stage.calm(peaceful)
    assert steps > 8

    left = {}
    for step in range(1, steps + 1):
        campaign = stage.campaign()
        ended = stage.live(stage.order({"step": step, "before": before}))
        assert ended["signal"] == 9
        stage.calm(campaign)
        if not faultless(found := stage.look(campaign)):
            left[step] = asdict(found)
    assert left == {}
