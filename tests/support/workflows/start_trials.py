"""Trials of starters: changes, schedules, workers that die, clocks that jump; and what came of it."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_relay.workflows.models import ReEntry, TriggerKind
from tests.support.processes.fork_server import ForkServer
from tests.support.workflows.forked_starter import StarterOrder
from tests.support.workflows.start_stage import StartStage, trigger

DEALS, CHANGES = 6, 18
_JUMPS = (timedelta(), timedelta(minutes=1), timedelta(minutes=30), timedelta(minutes=-5))
_FIELD = trigger(TriggerKind.FIELD_CHANGE, column="value")
_HOURLY = trigger(TriggerKind.SCHEDULED, cron="0 * * * *")


@dataclass
class FoundStarts:
    """What one trial left behind: nothing of it may be there but `killed`."""

    twice: int = 0
    lost: int = 0
    waiting: int = 0
    two_at_once: int = 0
    scheduled_wrong: int = 0
    killed: int = 0


@dataclass
class StartTrials:
    """One database for many trials, each with an organization, workflows and records of its own."""

    stage: StartStage
    forks: ForkServer

    def chaos(self, seed: int, *, locks: bool = True) -> FoundStarts:
        """Some rounds in which starters die while records change, then peace; and what was found."""
        chance = random.Random(seed)
        stage = self.stage
        org = stage.other_org()
        flows = {each: stage.publish(_FIELD, org=org, re_entry=each) for each in ReEntry}
        hourly = stage.publish(_HOURLY, org=org, re_entry=ReEntry.PARALLEL)
        deals = [stage.deal(org_id=org, value=0) for _ in range(DEALS)]
        found = FoundStarts()
        for place in range(chance.randint(2, 4)):
            orders = [self.order(death(chance), locks=locks) for _ in range(chance.choice((1, 2, 2)))]
            for change in range(CHANGES // 3):
                stage.update("deals", chance.choice(deals), value=1 + place * CHANGES + change)
            pids = [self.forks.start(each) for each in orders]
            stage.update("deals", chance.choice(deals), value=-1 - place)
            found.killed += sum(self.forks.end_of(pid)["signal"] != 0 for pid in pids)
            stage.now += chance.choice(_JUMPS)
        # Whatever the jumps were, what was published is due.
        stage.now += timedelta(minutes=30)
        self.live(self.order({}))
        self.look(org, flows, hourly, set(deals), found)
        return found

    def order(self, dies: dict[str, Any], *, locks: bool = True) -> StarterOrder:
        return StarterOrder(self.stage.url, self.stage.now.isoformat(), dies, locks)

    def live(self, order: StarterOrder) -> dict[str, Any]:
        """One starter until its end."""
        ended = self.forks.end_of(self.forks.start(order))
        if not ended["signal"] and ended["code"]:
            raise AssertionError(f"a starter failed with exit code {ended['code']}")
        return ended

    def look(self, org: UUID, flows: dict[ReEntry, UUID], hourly: UUID, deals: set[UUID], found: FoundStarts) -> None:
        """Every event has one decision of each workflow, and every occurrence one run a record."""
        stage = self.stage
        rows = stage.execute(
            """select event.id, event.handled_at is null as waits, flow.id as workflow,
                   (select count(*)::integer from workflow_start_decisions each
                    where each.event_id = event.id and each.workflow_id = flow.id) as decisions,
                   (select count(*)::integer from workflow_executions each
                    where each.event_id = event.id and each.workflow_id = flow.id) as runs
               from entity_events event cross join unnest(cast(:flows as uuid[])) as flow (id)
               where event.org_id = :org and event.kind = 'changed'""",
            org=org,
            flows=list(flows.values()),
        )
        parallel = flows[ReEntry.PARALLEL]
        found.waiting += sum(row["waits"] for row in rows)
        found.twice += sum(row["decisions"] > 1 or row["runs"] > 1 for row in rows)
        found.lost += sum(row["decisions"] < 1 for row in rows)
        found.lost += sum(row["workflow"] == parallel and row["runs"] != 1 for row in rows)
        due = stage.execute(
            """select run.workflow_id, run.instance_id, count(*)::integer as number from workflow_executions run
               where run.org_id = :org and run.next_run_at is not null and run.workflow_id <> :parallel
                   and run.trigger_type <> 'scheduled'
               group by run.workflow_id, run.instance_id""",
            org=org,
            parallel=parallel,
        )
        found.two_at_once += sum(row["number"] != 1 for row in due)
        times: dict[str, list[UUID]] = {}
        for row in stage.runs(hourly):
            times.setdefault(row["trigger_event"]["occurrence"], []).append(row["entity_id"])
        found.scheduled_wrong += sum(len(each) != DEALS or set(each) != deals for each in times.values()) + (not times)


def death(chance: random.Random) -> dict[str, Any]:
    """Where a worker ends."""
    match chance.randint(0, 9):
        case 0 | 1:
            return {}
        case 2 | 3 | 4 | 5:
            return {"step": chance.randint(1, 20), "before": chance.random() < 0.5}
        case _:
            return {"line": chance.randint(1, 6000)}
