"""Workers of the outbox die by SIGKILL, or stand still while others go on with their work, two at a time, while the
receiver fails: every webhook arrives, always under its id, and has one outcome. Without the fence the same trials find
some that have two."""

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from crm_relay.platform.database import Database
from local.simulators.webhooks import WebhookReceiver
from tests.support.processes.fork_server import ForkServer
from tests.support.workflows.forked_outbox import MODULE
from tests.support.workflows.webhook_trials import FoundWebhooks, WebhookTrials

TRIALS, PER_TEST = 100, 10
SLOW_TRIALS = 1_000


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    """One process that forks for all of them."""
    with ForkServer(MODULE) as server:
        yield server


@pytest.fixture
def trials(database: Database, database_url: str, forks: ForkServer) -> Iterator[WebhookTrials]:
    """An empty outbox whose outcomes are written down, and a receiver."""
    with WebhookReceiver() as receiver:
        yield WebhookTrials.begin(database, database_url, receiver, forks)


def faults(found: FoundWebhooks) -> dict[str, int]:
    return {name: number for name, number in asdict(found).items() if number and name not in {"killed", "stopped"}}


@pytest.mark.parametrize("first", range(0, TRIALS, PER_TEST))
def test_killed_workers_lose_no_webhook_and_record_each_once(trials: WebhookTrials, first: int) -> None:
    found = {seed: trials.chaos(seed) for seed in range(first, first + PER_TEST)}

    assert {seed: faults(each) for seed, each in found.items() if faults(each)} == {}
    assert sum(each.killed for each in found.values()) >= PER_TEST // 2
    assert sum(each.stopped for each in found.values()) >= PER_TEST // 4


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10_000, 10_000 + SLOW_TRIALS, 50))
def test_a_thousand_more_of_them(trials: WebhookTrials, first: int) -> None:
    found = {seed: trials.chaos(seed) for seed in range(first, first + 50)}

    assert {seed: faults(each) for seed, each in found.items() if faults(each)} == {}


def test_the_same_trials_without_the_fence_find_two_outcomes(trials: WebhookTrials) -> None:
    twice = 0
    for seed in range(TRIALS):
        twice += trials.chaos(seed, fence=False).recorded_twice
        if twice:
            break

    assert twice > 0


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_every_step_in_turn(trials: WebhookTrials, *, before: bool) -> None:
    trials.plant()
    steps = trials.live(trials.order({}))["steps"]
    assert steps > 8

    left = {}
    for step in range(1, steps + 1):
        webhooks = trials.plant()
        trials.live(trials.order({"step": step, "before": before}))
        trials.calm()
        if found := faults(trials.look(webhooks)):
            left[step] = found
    assert left == {}
