"""One life of a connection with Airtable: a first sync, changes on both sides, and what both have to be in the end."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.platform.database import Database
from crm_relay.providers.connectors.failures import ReconnectNeeded
from local.simulators.airtable import AirtableSimulator
from tests.support.connections.airtable_sync_stage import AirtableSync
from tests.support.platform.rows import rows_of
from tests.support.processes.sudden_death import Killed, Life

THERE = 104
"""More than a page."""

_COLUMNS = ("first_name", "last_name", "company_name")
_NAMES = ("First name", "Last name", "Company")


class AirtableTrial:
    def __init__(
        self, database: Database, url: str, sim: AirtableSimulator, email_type: str = "singleLineText"
    ) -> None:
        rows_of(database, "delete from integration_connections")
        rows_of(database, "delete from contacts")
        sim.faults.clear()
        sim.account.bases.clear()
        self.sim = sim
        self.stage = AirtableSync(database, url, sim, email_type)
        self.ids = self.stage.people.add(*(f"t{number}" for number in range(THERE)), Company="Contoso")
        sim.add_field(self.stage.people.table, "Modified", "lastModifiedTime")
        self.ours = [self.stage.contact(f"o{number}@x.example", first_name="Ada") for number in range(12)]
        for number in range(4):
            self.stage.contact(f"t{number}@x.example", first_name="Bo", last_name="Byron")
        self.stage.link()

    def life(self, life: Life | None = None) -> None:
        """Two syncs with changes between them; whoever dies on the way is followed by nobody here."""
        db, context = self._process(life)
        self._sync(db, context)
        self.stage.pass_time(300)
        self.sim.edit_row(self.stage.people.table, self.ids[5], First_name="Cy")
        self.stage.people.add("late")
        self.sim.delete_row(self.stage.people.table, self.ids[7])
        self.stage.change(self.ours[0], company_name="Fabrikam")
        self.stage.contact("new@x.example", last_name="Hopper")
        self.stage.pass_time(300)
        self._sync(db, context)

    def settle(self) -> None:
        """An operator reconnects and waits; a few rounds later nothing is left to do, or it never will."""
        self.sim.faults.clear()
        self.stage.people.http.timeout = (5, 5)
        for _ in range(5):
            self.stage.pass_time(4000)
            rows_of(
                self.stage.db,
                """update integration_connections
                   set held_for = null, status = 'active', lease = null, leased_until = null""",
            )
            rows_of(self.stage.db, "update integration_secrets set refused_generation = null")
            if self.stage.sync().success:
                break
        self.stage.pass_time(4000)
        result = self.stage.sync(complete=True)
        assert result.success, result
        assert self.stage.stream_of(result)["compared"]["is_equal"], result.metadata
        self.stage.pass_time(4000)
        again = self.stage.sync()
        assert (again.success, again.records_synced) == (True, 0), again

    def assert_equal(self) -> None:
        """Everybody is on both sides once, with the same values; who was deleted there stays here, if ever read."""
        ours, theirs = self.stage.contacts(), self.stage.rows()
        expected = {
            *(f"t{number}@x.example" for number in range(THERE)),
            *(f"o{number}@x.example" for number in range(12)),
            "late@x.example",
            "new@x.example",
        }
        assert set(ours) | {"t7@x.example"} == expected
        assert set(theirs) == expected - {"t7@x.example"}
        different = {
            address: (known, shown)
            for address, row in theirs.items()
            if (known := _values(ours[address], _COLUMNS)) != (shown := _values(row, _NAMES))
        }
        assert different == {}
        assert _values(ours["t0@x.example"], _COLUMNS) == ["Bo", "Byron", "Contoso"]
        assert _values(ours["t5@x.example"], _COLUMNS) == ["Cy", None, "Contoso"]
        assert _values(theirs["o0@x.example"], _NAMES) == ["Ada", None, "Fabrikam"]
        assert self.stage.people.table.last_number == len(expected), "no row was made twice"
        assert self.stage.rejects() == []

    def _process(self, life: Life | None) -> tuple[Database, ConnectionContext]:
        return (self.stage.db, self.stage.context) if life is None else self.stage.mortal(life)

    def _sync(self, db: Database, context: ConnectionContext) -> None:
        assert self.stage.connection is not None
        # A key that was refused stays so until somebody connects the account again.
        with suppress(Killed, ReconnectNeeded):
            self.stage.open(self.stage.connection, db, context).sync()


def _values(row: Any, names: tuple[str, ...]) -> list[Any]:
    return [row.get(name) for name in names]
