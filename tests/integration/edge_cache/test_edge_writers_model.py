"""Writers with wrong clocks on both sides, and runs that die: the sides end in agreement, every loser is logged."""

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from crm_relay.edge_cache.models import CacheItem, LateEdit, SourceRow, WriteResult
from crm_relay.edge_cache.record_email import record_email
from tests.integration.conftest import database_of_an_edge
from tests.support.edge_cache.edge_harness import EdgeHarness
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.processes.sudden_death import Killed, Life, MortalDatabase

T = TypeVar("T")
FAR = datetime(8999, 1, 1, tzinfo=UTC)
EVENTS = ("opened_at", "clicked_at", "replied_at")
IDS = [UUID(int=1), UUID(int=2)]
WRITERS = st.sampled_from(["A", "B"])
WHICH = st.sampled_from(IDS)
EVENT = st.none() | st.sampled_from(EVENTS)
STEPS = st.one_of(st.just(0), st.integers(1, 20))
# Up to the tolerance either way, and a clock that is out of all reason.
SKEW = st.integers(-290, 290) | st.none()


@dataclass
class WritersTwin(EdgeTwin):
    """Each request is a step of a life: who asked may die before it or after it."""

    life: Life = field(default_factory=Life)

    def write(self, rows: Sequence[SourceRow], *, now: datetime, generation: int | None = None) -> list[WriteResult]:
        write = super().write
        return [self._step(partial(write, [row], now=now, generation=generation))[0] for row in rows]

    def settle(self, seen: CacheItem, *, version: int, doc: str | None, updated_at: datetime, now: datetime) -> bool:
        settle = super().settle
        return self._step(partial(settle, seen, version=version, doc=doc, updated_at=updated_at, now=now))

    def record(self, seen: CacheItem | None, after: CacheItem) -> bool:
        return self._step(partial(super().record, seen, after))

    def keep_late(self, edit: LateEdit) -> None:
        self._step(partial(super().keep_late, edit))

    def forget_late(self, edits: Sequence[LateEdit]) -> None:
        self._step(partial(super().forget_late, edits))

    def _step(self, what: Callable[[], T]) -> T:
        return self.life.step(what)


@dataclass
class Writer:
    """Has a clock of its own, and the e-mail as it was when it was read last."""

    skew: timedelta | None
    copies: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    def time(self, now: datetime) -> datetime:
        return FAR if self.skew is None else now + self.skew


class EdgeWriters(RuleBasedStateMachine):
    """`over`: what stood in an item when a later edit was made over it; `gone`: what PostgreSQL itself wrote over."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.table = WritersTwin()
        self.context = database_of_an_edge(self.url, self.table)
        self.edge: EdgeHarness = self.context.__enter__()
        self.writers: dict[str, Writer] = {}
        self.said: dict[UUID, list[str]] = {row_id: [] for row_id in IDS}
        self.over: set[str] = set()
        self.gone: set[str] = set()
        self.events: dict[tuple[UUID, str], datetime] = {}
        self.sent: list[dict[str, Any]] = []
        self.story: list[str] = []

    @initialize(first=SKEW, second=SKEW)
    def begin(self, first: int | None, second: int | None) -> None:
        for name, skew in (("A", first), ("B", second)):
            self.writers[name] = Writer(None if skew is None else timedelta(seconds=skew))
        for row_id in IDS:
            self.edge.add("emails", "begun", row_id)
        self.edge.to_cache()
        self.over.add("begun")

    def teardown(self) -> None:
        try:
            if self.writers:
                self.until_quiet()
                self.everybody_agrees()
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), "On the way:", *self.story])) from error
        finally:
            self.context.__exit__(None, None, None)

    def until_quiet(self) -> None:
        self.table.life = Life()
        for _ in range(4):
            self.edge.to_postgres()
            self.edge.to_cache()
            self.edge.later(hours=2)

    def everybody_agrees(self) -> None:
        self.edge.assert_equal()
        assert (self.table.count_unsynced(), self.table.late_edits(limit=9)) == (0, [])
        assert (self.edge.waiting(), self.edge.parked(), self.edge.parked("to_postgres")) == (0, {}, {})
        logged = [row[side] or {} for row in self.edge.conflicts() for side in ("postgres_doc", "edge_doc")]
        for row_id, subjects in self.said.items():
            known = (
                {doc.get("subject") for doc in logged} | self.over | self.gone | {self.edge.postgres(row_id, "emails")}
            )
            assert set(subjects) <= known, f"{set(subjects) - known} left no trace"
            row = self.edge.one("select opened_at, clicked_at, replied_at from emails where id = :id", id=row_id)
            assert row == {name: self.events.get((row_id, name)) for name in EVENTS}

    def next_subject(self, row_id: UUID) -> str:
        subject = f"take {sum(map(len, self.said.values()))}"
        self.said[row_id].append(subject)
        return subject

    def happens(self, row_id: UUID, event: str | None, minutes: int) -> dict[str, datetime]:
        if event is None:
            return {}
        at = self.edge.now - timedelta(minutes=minutes)
        self.events[row_id, event] = min(at, self.events.get((row_id, event), at))
        return {event: at}

    @rule(name=WRITERS, row_id=WHICH)
    def read(self, name: str, row_id: UUID) -> None:
        self.story.append(f"{name} reads {row_id.int}")
        self.writers[name].copies[row_id] = self.edge.doc(row_id, "emails")

    @rule(name=WRITERS, row_id=WHICH, event=EVENT, minutes=st.integers(1, 90), last=STEPS, before=st.booleans())
    def write_at_the_edge(
        self, name: str, row_id: UUID, event: str | None, minutes: int, last: int, before: bool
    ) -> None:
        """Over the copy that the writer has, however old it is; who gets no answer sends it once more."""
        writer = self.writers[name]
        copy = writer.copies.get(row_id) or {"id": str(row_id)}
        times = {key: at.isoformat() for key, at in self.happens(row_id, event, minutes).items()}
        sent = copy | times | {"subject": self.next_subject(row_id), "updated_at": str(writer.time(self.edge.now))}
        self.story.append(f"{name} writes {row_id.int} {sent['subject']} {times} at {sent['updated_at']}")
        self.sent.append(sent)
        self.send(sent, Life(last, before))
        self.send(sent, Life())
        writer.copies[row_id] = sent

    @rule(which=st.integers(0, 9))
    def an_edit_comes_again(self, which: int) -> None:
        if self.sent:
            sent = self.sent[-1 - which % len(self.sent)]
            self.story.append(f"again {sent['subject']}")
            self.send(sent, Life())

    def send(self, sent: dict[str, Any], life: Life) -> None:
        row_id = UUID(sent["id"])
        before = self.edge.item(row_id, "emails")
        self.table.life = life
        with contextlib.suppress(Killed):
            record_email(self.table, sent, self.edge.now)
        self.table.life = Life()
        after = self.edge.item(row_id, "emails")
        assert before is not None
        assert after is not None
        was, is_now = (json.loads(each.doc or "")["subject"] for each in (before, after))
        if was != is_now == sent["subject"]:
            self.over.add(was)

    @rule(row_id=WHICH, event=EVENT, minutes=st.integers(1, 90), skew=SKEW)
    def write_in_postgresql(self, row_id: UUID, event: str | None, minutes: int, skew: int | None) -> None:
        self.gone.add(str(self.edge.postgres(row_id, "emails")))
        at = FAR if skew is None else self.edge.now + timedelta(seconds=skew)
        subject = self.next_subject(row_id)
        self.story.append(f"PostgreSQL writes {row_id.int} {subject} {event} at {at}")
        self.edge.change(row_id, subject, "emails", at=at)
        for name, moment in self.happens(row_id, event, minutes).items():
            self.edge.sql(
                f"update emails set {name} = least({name}, :moment), updated_at = :at where id = :id",
                moment=moment,
                at=at,
                id=row_id,
            )

    @rule(last=STEPS, before=st.booleans(), direction=st.sampled_from(["to_cache", "to_postgres"]))
    def run(self, last: int, before: bool, direction: str) -> None:
        self.story.append(f"run {direction} {last} {before}")
        life = self.table.life = Life(last, before)
        mortal = MortalDatabase(self.edge.url, life)
        with contextlib.suppress(Killed):
            getattr(self.edge.run(mortal), direction)()
        mortal.close()
        self.table.life = Life()

    @rule(seconds=st.integers(1, 900))
    def time_goes_by(self, seconds: int) -> None:
        self.edge.later(seconds=seconds)


@pytest.mark.timeout(900)
def test_writers_with_wrong_clocks_end_in_agreement_and_every_loser_is_logged(postgres_url: str) -> None:
    # The same histories in every run; the slow test draws new ones.
    run(postgres_url, examples=12, steps=25, derandomize=True)


@pytest.mark.slow
def test_many_more_writers_with_wrong_clocks(postgres_url: str) -> None:
    run(postgres_url, examples=300, steps=40)


def run(postgres_url: str, *, examples: int, steps: int, derandomize: bool = False) -> None:
    machine = type("WithPostgres", (EdgeWriters,), {"url": postgres_url})
    quiet = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=derandomize,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
        # The story says what happened; making it shorter takes minutes.
        phases=[Phase.explicit, Phase.generate],
    )
    run_state_machine_as_test(machine, settings=quiet)
