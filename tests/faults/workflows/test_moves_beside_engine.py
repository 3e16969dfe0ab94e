"""Runs are moved from version to version while workers of the engine take them, and both die at any step: each step is
taken once, nothing is lost, and each run is moved whole."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.platform.database import Database
from local.simulators.resend import MovableClock, ResendSimulator
from tests.integration.workflows.test_moves import next_version
from tests.support.processes.fork_server import ForkServer
from tests.support.workflows import forked_engine, forked_move
from tests.support.workflows.forked_move import MoveOrder
from tests.support.workflows.run_harness import WEDNESDAY, RunHarness
from tests.support.workflows.start_trials import death
from tests.support.workflows.workflow_trials import WorkflowTrials

TRIALS = 12
_WAIT = 4
"""The place of the wait, which every version has longer than the one before it."""


@pytest.fixture(scope="module")
def movers() -> Iterator[ForkServer]:
    """One process that forks for all who move."""
    with ForkServer(forked_move.MODULE) as server:
        yield server


@pytest.fixture(scope="module")
def engines() -> Iterator[ForkServer]:
    """And one for all workers."""
    with ForkServer(forked_engine.MODULE) as server:
        yield server


@pytest.fixture
def trials(database: Database, database_url: str, engines: ForkServer) -> Iterator[WorkflowTrials]:
    """An empty CRM, and a Resend whose time is ours."""
    time = [WEDNESDAY]
    with ResendSimulator(clock=MovableClock(lambda: time[0]), requests_per_second=None) as simulator:
        yield WorkflowTrials(RunHarness(database, simulator, database_url, time), engines)


def publish(trials: WorkflowTrials, workflow: UUID, minutes: int) -> None:
    """The same steps, and a wait that is computed again."""
    steps = list(trials.program.steps)
    steps[_WAIT] = replace(steps[_WAIT], config={"minutes": minutes})
    next_version(trials.runs, workflow, *steps)


def trial(trials: WorkflowTrials, movers: ForkServer, seed: int) -> tuple[int, int]:
    """How many died and how often a run was moved; AssertionError where one of them went wrong."""
    chance, killed = random.Random(seed), 0
    workflow, runs = trials.begin(), trials.runs
    for number in range(chance.randint(4, 7)):
        publish(trials, workflow, 60 + 5 * number)
        engines = [trials.forks.start(trials.order(_fate(chance, trials))) for _ in range(2)]
        orders = [_move(runs, workflow, death(chance) if chance.random() < 0.3 else {}) for _ in range(2)]
        moving = [movers.start(each) for each in orders]
        ended = [*map(trials.forks.end_of, engines), *map(movers.end_of, moving)]
        assert [each["code"] for each in ended if not each["signal"]].count(0) == sum(
            not each["signal"] for each in ended
        ), f"a worker of trial {seed} failed"
        killed += sum(each["signal"] != 0 for each in ended)
        if chance.random() < 0.5:
            trials.answer()
        runs.time[0] += chance.choice((timedelta(), timedelta(minutes=2), timedelta(minutes=40), timedelta(hours=1)))
    assert not movers.end_of(movers.start(_move(runs, workflow, {})))["code"]
    newest = runs.one("select max(version) as newest from workflow_versions where workflow_id = :w", w=workflow)
    left = runs.rows(
        "select from workflow_executions where workflow_id = :w and status <> 'completed' and version <> :newest",
        w=workflow, newest=newest["newest"],
    )  # fmt: skip
    trials.calm(workflow)
    found = trials.look(workflow)
    assert (found.is_faultless, left) == (True, []), (seed, asdict(found))
    moves = runs.rows(
        "select execution_id, data ->> 'to_version' as version from workflow_execution_logs"
        " where message = 'run moved' and execution_id in (select id from workflow_executions where workflow_id = :w)",
        w=workflow,
    )
    assert max(Counter((row["execution_id"], row["version"]) for row in moves).values(), default=0) <= 1, seed
    return killed, len(moves)


def _fate(chance: random.Random, trials: WorkflowTrials) -> dict[str, object]:
    return trials.death(chance) if chance.random() < 0.4 else {}


def _move(runs: RunHarness, workflow: UUID, dies: dict[str, object]) -> MoveOrder:
    return MoveOrder(runs.url, str(workflow), runs.now.isoformat(), dies)


@pytest.mark.timeout(600)
def test_runs_that_are_moved_while_they_are_taken_do_every_step_once(
    trials: WorkflowTrials, movers: ForkServer
) -> None:
    ended = [trial(trials, movers, seed) for seed in range(TRIALS)]
    assert sum(killed for killed, _ in ended) >= TRIALS // 3
    assert sum(moves for _, moves in ended) >= TRIALS * 4
