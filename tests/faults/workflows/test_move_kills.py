"""Who moves runs dies by SIGKILL, two at a time: each run is moved once, and takes each of its steps once."""

import random
from collections.abc import Iterator

import pytest

from crm_relay.platform.database import Database
from local.simulators.resend import MovableClock, ResendSimulator
from tests.integration.workflows.test_moves import DAY, NOTE, TASK, next_version, waiting
from tests.support.processes.fork_server import ForkServer
from tests.support.workflows.forked_move import MODULE, MoveOrder
from tests.support.workflows.run_harness import WEDNESDAY, RunHarness
from tests.support.workflows.start_trials import death

TRIALS, RUNS = 12, 11


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    """One process that forks for all of them."""
    with ForkServer(MODULE) as server:
        yield server


@pytest.fixture
def runs(database: Database, database_url: str) -> Iterator[RunHarness]:
    """An empty CRM, and a Resend under the same clock."""
    time = [WEDNESDAY]
    with ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator:
        yield RunHarness(database, simulator, database_url, time)


def trial(runs: RunHarness, forks: ForkServer, seed: int) -> int:
    """How many were killed; AssertionError where a run is moved twice or never, or a step is taken so."""
    chance, killed = random.Random(seed), 0
    workflow, started = waiting(runs, DAY, TASK, number=RUNS)
    next_version(runs, workflow, NOTE, DAY, TASK)
    now = runs.now.isoformat()
    for _ in range(chance.randint(1, 3)):
        orders = [MoveOrder(runs.url, str(workflow), now, death(chance)) for _ in range(chance.choice((1, 2)))]
        pids = [forks.start(each) for each in orders]
        killed += sum(forks.end_of(pid)["signal"] != 0 for pid in pids)
    ended = forks.end_of(forks.start(MoveOrder(runs.url, str(workflow), now, {})))
    assert not ended["code"]
    runs.wait(days=2)
    runs.tick()
    for run in started:
        assert runs.log(run).count("run moved") == 1, seed
        assert runs.steps(run) == [("0", "completed"), ("2", "completed")], seed
    return killed


@pytest.mark.timeout(400)
def test_killed_moves_move_every_run_once(runs: RunHarness, forks: ForkServer) -> None:
    assert sum(trial(runs, forks, seed) for seed in range(TRIALS)) >= TRIALS // 3
