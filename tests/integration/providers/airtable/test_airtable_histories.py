"""Random histories on both sides, with faults between: both end equal, and a change that only one side made holds.

Where both sides changed a field since the last sync without a fault either change may hold: which one is later is known
of whole records only. What a sync sent that was cut off is no change of theirs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from crm_relay.platform.database import Database
from crm_relay.providers.connectors.failures import ReconnectNeeded
from local.simulators.airtable import AirtableSimulator
from tests.support.connections.airtable_sync_stage import AirtableSync, airtable_clock
from tests.support.platform.rows import rows_of

COLUMNS = {"first_name": "First_name", "last_name": "Last_name", "company_name": "Company"}
FAULTS = (
    "500_before",
    "500_after",
    "502_page",
    "cut_after",
    "truncated",
    "429",
    "partial_write",
    "422_iterator",
    "503",
)


@pytest.fixture
def sim() -> Iterator[AirtableSimulator]:
    with AirtableSimulator(clock=airtable_clock(), requests_per_second=None) as running:
        yield running


@dataclass
class HistoryOfBoth:
    """`expected`: address -> column -> side -> the value that it wrote last since both agreed."""

    stage: AirtableSync
    dice: random.Random
    expected: dict[str, dict[str, dict[str, str | None]]] = field(default_factory=dict)
    contacts: dict[str, UUID] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def step(self) -> None:
        # Two changes never stand at one moment: which one is later would be nobody's to say.
        self.stage.pass_time(self.dice.choice((5, 200)))
        act = self.dice.choice(
            (self.add_here, self.add_there, self.edit_here, self.edit_there, self.edit_there, self.sync)
        )
        act()

    def value(self) -> str | None:
        return self.dice.choice((None, f"v{self.dice.randrange(1000)}", f"w{self.dice.randrange(1000)}"))

    def add_here(self) -> None:
        address = f"here{len(self.expected)}@x.example"
        columns = {name: self.value() for name in COLUMNS}
        self.expected[address] = {name: {"here": value} for name, value in columns.items()}
        self.contacts[address] = self.stage.contact(address, **columns)
        rows_of(
            self.stage.db,
            "update contacts set updated_at = :now where id = :id",
            now=self.stage.now(),
            id=self.contacts[address],
        )
        self.log.append(f"add here {address} {columns}")

    def add_there(self) -> None:
        address = f"there{len(self.expected)}@x.example"
        columns = {name: self.value() for name in COLUMNS}
        self.expected[address] = {name: {"there": value} for name, value in columns.items()}
        cells = {COLUMNS[name]: value for name, value in columns.items()}
        self.rows[address] = self.stage.sim.add_row(self.stage.people.table, Email=address, **cells).id
        self.log.append(f"add there {address} {columns}")

    def edit_here(self) -> None:
        known = sorted(set(self.contacts))
        if known:
            address, name = self.dice.choice(known), self.dice.choice(sorted(COLUMNS))
            value = self.value()
            self.wrote(address, name, "here", value)
            self.stage.change(self.contacts[address], **{name: value})

    def edit_there(self) -> None:
        known = sorted(set(self.rows))
        if known:
            address, name = self.dice.choice(known), self.dice.choice(sorted(COLUMNS))
            value = self.value()
            self.wrote(address, name, "there", value)
            self.stage.sim.edit_row(self.stage.people.table, self.rows[address], **{COLUMNS[name]: value})

    def wrote(self, address: str, name: str, side: str, value: str | None) -> None:
        before = self.expected[address][name]
        before.pop("both", None)
        before[side] = value
        self.log.append(f"edit {side} {address} {name}={value}")

    def sync(self) -> None:
        fault = self.dice.choice((*FAULTS, None, None, None, None))
        if fault is not None:
            self.stage.sim.fault(fault, match="/v0/app", skip=self.dice.randrange(3), seconds=0.01)
        self.log.append(f"sync with {fault}")
        done = self.once()
        if done and (fault is None or self.stage.sim.faults.pending):
            self.agree()
        self.stage.sim.faults.clear()

    def once(self) -> bool:
        rows_of(self.stage.db, "update integration_connections set held_for = null, status = 'active'")
        try:
            done = self.stage.sync(complete=self.dice.random() < 0.2).success
        except ReconnectNeeded:
            done = False
        # Who is on both sides by now can be changed on both.
        self.contacts = {email: row["id"] for email, row in self.stage.contacts().items()}
        self.rows = {str(row.get("Email")): row["id"] for row in self.stage.people.rows}
        return done

    def agree(self) -> None:
        for email, row in self.stage.contacts().items():
            for name, known in self.expected[email].items():
                assert row[name] in known.values(), "\n".join([email, name, *self.log])
                self.expected[email][name] = {"both": row[name]}

    def settle(self) -> None:
        self.stage.sim.faults.clear()
        for _ in range(4):
            self.stage.pass_time(4000)
            self.once()
        self.stage.pass_time(4000)
        result = self.stage.sync(complete=True)
        assert result.success, (result, self.log)
        assert self.stage.stream_of(result)["compared"]["is_equal"], (result, self.log)

    def assert_equal(self) -> None:
        ours = {email: {name: row[name] for name in COLUMNS} for email, row in self.stage.contacts().items()}
        theirs = {
            email: {name: row.get(there.replace("_", " ")) for name, there in COLUMNS.items()}
            for email, row in self.stage.rows().items()
        }
        assert ours == theirs, self.log
        assert set(ours) == set(self.expected), self.log
        self.agree()


@pytest.mark.parametrize(("start", "count"), [(0, 12), pytest.param(100, 400, marks=pytest.mark.slow)])
def test_both_sides_end_equal_and_keep_every_change(
    database: Database, database_url: str, sim: AirtableSimulator, start: int, count: int
) -> None:
    for seed in range(start, start + count):
        rows_of(database, "delete from integration_connections")
        rows_of(database, "delete from contacts")
        dice = random.Random(seed)
        stage = AirtableSync(database, database_url, sim, dice.choice(("singleLineText", "email")))
        sim.add_field(stage.people.table, "Modified", "lastModifiedTime")
        stage.link()
        history = HistoryOfBoth(stage, dice)
        for _ in range(dice.randrange(6, 25)):
            history.step()
        history.settle()
        history.assert_equal()
