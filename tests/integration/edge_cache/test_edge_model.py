"""Random histories: whatever happens on both sides and on the way, they end in agreement and nothing is lost."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.models import CacheItem, SourceRow, WriteOutcome, WriteResult
from crm_relay.edge_cache.replication import resync as resync_module
from tests.integration.conftest import database_of_an_edge
from tests.support.edge_cache.edge_harness import NAME, EdgeHarness
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.processes.sudden_death import Killed, Life, MortalDatabase

WHICH = st.integers(0, 5)
ENTITY: st.SearchStrategy[Entity] = st.sampled_from(["emails", "emails", "prospects", "campaigns"])
SECONDS = st.integers(-5, 5)
STEPS = st.integers(1, 25)


@dataclass
class LossyTwin(EdgeTwin):
    """Requests are steps of a life, and some arrive late: the caller hears of a failure, or dies waiting."""

    life: Life = field(default_factory=Life)
    loses: int = 0
    late: list[tuple[SourceRow, datetime, int | None]] = field(default_factory=list)

    def write(self, rows: Sequence[SourceRow], *, now: datetime, generation: int | None = None) -> list[WriteResult]:
        return [self.life.step(partial(self._write_one, row, now, generation)) for row in rows]

    def _write_one(self, row: SourceRow, now: datetime, generation: int | None) -> WriteResult:
        if self.loses:
            self.loses -= 1
            self.late.append((row, now, generation))
            return WriteResult(row, WriteOutcome.FAILED, "no answer")
        return super().write([row], now=now, generation=generation)[0]

    def settle(self, seen: CacheItem, *, version: int, doc: str | None, updated_at: datetime, now: datetime) -> bool:
        settle = super().settle
        return self.life.step(lambda: settle(seen, version=version, doc=doc, updated_at=updated_at, now=now))

    def arrive(self, which: int) -> None:
        if self.late:
            row, now, generation = self.late.pop(which % len(self.late))
            super().write([row], now=now, generation=generation)


class EdgeHistories(RuleBasedStateMachine):
    """A few rows of each kind, edited on both sides, and runs that die."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.table = LossyTwin()
        self.context = database_of_an_edge(self.url, self.table)
        self.edge: EdgeHarness = self.context.__enter__()
        self.count = 0
        self.deleted: set[UUID] = set()
        self.emails: set[UUID] = set()
        self.edits: dict[tuple[Entity, UUID], list[str]] = {}
        self.story: list[str] = []

    def teardown(self) -> None:
        try:
            self.until_quiet()
            self.nothing_is_lost()
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), "On the way:", *self.story])) from error
        finally:
            self.context.__exit__(None, None, None)

    def until_quiet(self) -> None:
        self.table.life, self.table.loses = Life(), 0
        while self.table.late:
            self.table.arrive(0)
        for _ in range(4):
            self.edge.run().to_postgres()
            self.edge.run().to_cache()
            self.edge.later(hours=2)

    def nothing_is_lost(self) -> None:
        self.edge.assert_equal()
        assert self.table.count_unsynced() == 0
        assert (self.edge.waiting(), self.edge.parked(), self.edge.parked("to_postgres")) == (0, {}, {})
        there = {row_id for entity, row_id in self.edge.items() if entity == "emails"}
        assert self.emails - self.deleted <= there, "an e-mail is lost"
        logged = self.edge.conflicts()
        for (entity, row_id), names in self.edits.items():
            versions = {str((row["edge_doc"] or {}).get(NAME[entity])) for row in logged if row["row_id"] == row_id}
            assert versions <= set(names), "nobody wrote that"
            if entity != "emails":
                assert self.edge.both(row_id, entity)[0] == names[-1] or names[-1] in versions, (
                    f"{names[-1]} is not logged"
                )

    def note(self, *what: object) -> None:
        self.story.append(" ".join(map(str, what)))

    def name(self) -> str:
        self.count += 1
        return f"take {self.count}"

    def row_id(self, entity: Entity, which: int) -> UUID:
        return UUID(int=which + 1 + {"emails": 100, "prospects": 200, "campaigns": 300}[entity])

    @rule(entity=ENTITY, which=WHICH, seconds=SECONDS)
    def write_in_postgresql(self, entity: Entity, which: int, seconds: int) -> None:
        row_id, name = self.row_id(entity, which), self.name()
        self.note("PostgreSQL writes", entity, which, name)
        if self.edge.postgres(row_id, entity) is None:
            self.edge.add(entity, name, row_id)
            self.deleted.discard(row_id)
            self.emails |= {row_id} if entity == "emails" else set()
        else:
            self.edge.change(row_id, name, entity, at=self.edge.now + timedelta(seconds=seconds))

    @rule(entity=ENTITY, which=WHICH)
    def delete_in_postgresql(self, entity: Entity, which: int) -> None:
        self.note("PostgreSQL deletes", entity, which)
        row_id = self.row_id(entity, which)
        if self.edge.postgres(row_id, entity) is not None:
            self.deleted.add(row_id)
        self.edge.delete(row_id, entity)

    @rule(entity=ENTITY, which=WHICH, seconds=SECONDS)
    def edit_at_the_edge(self, entity: Entity, which: int, seconds: int) -> None:
        row_id, name = self.row_id(entity, which), self.name()
        if entity != "emails" and self.edge.edge(row_id, entity) is None:
            return
        before = self.edge.item(row_id, entity)
        after = self.edge.edit(row_id, name, entity, at=self.edge.now + timedelta(seconds=seconds))
        if before is not None and before.edits == after.edits:
            return
        self.note("the edge writes", entity, which, name)
        self.edits.setdefault((entity, row_id), []).append(name)
        self.emails |= {row_id} if entity == "emails" else set()

    @rule(last=st.one_of(st.just(0), STEPS), before=st.booleans(), loses=st.sampled_from([0, 0, 1, 3]))
    def to_cache(self, last: int, before: bool, loses: int) -> None:
        self.table.loses = loses
        self.run(Life(last, before), "to_cache")

    @rule(last=st.one_of(st.just(0), STEPS), before=st.booleans())
    def to_postgres(self, last: int, before: bool) -> None:
        self.run(Life(last, before), "to_postgres")

    @rule(entity=ENTITY, last=st.one_of(st.just(0), STEPS), before=st.booleans(), loses=st.sampled_from([0, 0, 1]))
    def resync(self, entity: Entity, last: int, before: bool, loses: int) -> None:
        self.table.loses = loses
        self.run(Life(last, before), "resync", entity)

    @rule(which=WHICH)
    def a_late_write_arrives(self, which: int) -> None:
        self.note("late", self.table.late)
        self.table.arrive(which)

    @rule(minutes=st.integers(0, 90))
    def time_goes_by(self, minutes: int) -> None:
        self.edge.later(minutes=minutes, seconds=20)

    def run(self, life: Life, direction: str, *arguments: Any) -> None:
        self.note("run", direction, *arguments, life)
        self.table.life = life
        mortal = MortalDatabase(self.edge.url, life)
        with contextlib.suppress(Killed):
            getattr(self.edge.run(mortal), direction)(*arguments)
        mortal.close()
        self.table.life, self.table.loses = Life(), 0


@pytest.mark.timeout(900)
def test_random_histories_end_in_agreement_and_nothing_is_lost(postgres_url: str) -> None:
    run(postgres_url, examples=15, steps=25)


@pytest.mark.slow
def test_many_more_random_histories_of_both_sides(postgres_url: str) -> None:
    run(postgres_url, examples=400, steps=40)


def run(postgres_url: str, *, examples: int, steps: int) -> None:
    machine = type("WithDatabase", (EdgeHistories,), {"url": postgres_url})
    resync_module.BUCKETS_A_STEP, kept = 2048, resync_module.BUCKETS_A_STEP
    try:
        run_state_machine_as_test(machine, settings=_settings(examples, steps))
    finally:
        resync_module.BUCKETS_A_STEP = kept


def _settings(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
    )
