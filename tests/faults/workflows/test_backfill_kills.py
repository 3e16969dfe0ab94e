"""Workers of a backfill die by SIGKILL, two at a time: no record is started twice, and none is left out."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm_relay.platform.database import Database
from crm_relay.workflows.backfill.order import list_backfills, order_backfill
from tests.support.processes.fork_server import ForkServer
from tests.support.workflows.forked_backfill import MODULE, BackfillOrder
from tests.support.workflows.start_stage import StartStage
from tests.support.workflows.start_trials import death

TRIALS, PER_TEST, DEALS = 20, 10, 23


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServer]:
    """One process that forks for all of them."""
    with ForkServer(MODULE) as server:
        yield server


def trial(stage: StartStage, forks: ForkServer, seed: int) -> int:
    """How many workers were killed; AssertionError where a record is started twice or never."""
    chance = random.Random(seed)
    org = stage.other_org()
    won = {stage.deal(org_id=org, status="won") for _ in range(DEALS)}
    for _ in range(3):
        stage.deal(org_id=org, status="open")
    workflow = stage.publish(org=org, starts_per_minute=chance.choice((8, 500)))
    order_backfill(stage.db, workflow, stage.now, who="a test")
    killed = 0
    for _ in range(chance.randint(2, 4)):
        orders = [BackfillOrder(stage.url, stage.now.isoformat(), death(chance)) for _ in range(chance.choice((1, 2)))]
        pids = [forks.start(each) for each in orders]
        killed += sum(forks.end_of(pid)["signal"] != 0 for pid in pids)
        stage.now += chance.choice((timedelta(), timedelta(seconds=20), timedelta(minutes=2)))
    for _ in range(40):
        ended = forks.end_of(forks.start(BackfillOrder(stage.url, stage.now.isoformat(), {})))
        assert not ended["code"]
        stage.now += timedelta(seconds=30)
    runs = Counter(row["entity_id"] for row in stage.runs(workflow))
    assert runs == Counter(won), seed
    (said,) = list_backfills(stage.db, workflow)
    assert (said.state, said.looked_at, said.started) == ("completed", DEALS + 3, DEALS), seed
    return killed


@pytest.mark.timeout(400)
@pytest.mark.parametrize("first", range(0, TRIALS, PER_TEST))
def test_killed_workers_start_every_record_once(
    database: Database, database_url: str, forks: ForkServer, first: int
) -> None:
    stage = StartStage(database, database_url)
    assert sum(trial(stage, forks, seed) for seed in range(first, first + PER_TEST)) >= PER_TEST // 2
