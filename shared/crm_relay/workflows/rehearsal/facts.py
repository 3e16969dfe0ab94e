"""What a rehearsal reads: records as they are now, a bounded number at once, and the letters and people of steps."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import OF_ONE_ROW
from crm_relay.platform.sql import queries_beside
from crm_relay.rules.in_parts import in_parts
from crm_relay.rules.record_conditions import RecordFacts
from crm_relay.workflows.engine import store as engine
from crm_relay.workflows.engine.claim import SharedFacts
from crm_relay.workflows.engine.steps.programs import Needs, RunnableProgram
from crm_relay.workflows.run_models import Letterhead
from crm_relay.workflows.starting.models import StartableVersion
from crm_relay.workflows.starting.records import GONE, RecordKey, read_records

_SQL = queries_beside(__file__)

MOST_KEPT: Final = 4_000
"""Records that are held at once, whatever the number of events."""


class RecordShelf:
    """Records as they are now, the latest that were asked for; one statement for all that are asked for together."""

    def __init__(self, db: Database, org_id: UUID) -> None:
        self._db, self._org_id = db, org_id
        self._colleagues: dict[UUID, Mapping[str, Any] | None] = {}
        self._kept: OrderedDict[RecordKey, RecordFacts | Exception] = OrderedDict()

    def of(self, key: RecordKey, ahead: Callable[[], Iterable[RecordKey]] = tuple) -> RecordFacts | Exception:
        """GONE where it is; the error where its row cannot be read."""
        found = self._kept.pop(key, None)
        if found is None:
            self.fetch([key, *ahead()])
            found = self._kept.pop(key)
        # The latest stay longest.
        self._kept[key] = found
        return found

    def fetch(self, keys: Iterable[RecordKey]) -> None:
        """Those that are not here yet."""
        missing = [key for key in dict.fromkeys(keys) if key not in self._kept][:MOST_KEPT]
        if not missing:
            return
        try:
            self._read(missing)
        except OF_ONE_ROW:
            for key, error in in_parts(missing, self._read).items():
                self._kept[key] = error
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def colleague(self, user_id: UUID) -> Mapping[str, Any] | None:
        """One statement the first time."""
        if user_id not in self._colleagues:
            rows = self._db.run(_SQL["read_colleague"], id=user_id, org=self._org_id)
            self._colleagues[user_id] = rows[0]["owner"] if rows else None
        return self._colleagues[user_id]

    def _read(self, keys: Sequence[RecordKey]) -> None:
        found = self._db.transact(lambda tx: _only_read(tx, keys))
        for key in keys:
            self._kept[key] = found.get(key, GONE)


def _only_read(tx: Transaction, keys: Sequence[RecordKey]) -> dict[RecordKey, RecordFacts]:
    only_read(tx)
    return dict(read_records(tx, keys))


def only_read(tx: Transaction) -> None:
    """The database refuses every write of the transaction from here on."""
    tx.run(_SQL["only_read"])


def read_shared(
    db: Database, version: StartableVersion, program: RunnableProgram, letterhead: Letterhead
) -> SharedFacts:
    """Letters, senders and people of the version's organization, as far as its steps can need them; one message."""
    shared, org = SharedFacts(), version.org_id
    needs, keys = program.needs(0), sorted(program.templates(0))

    def work(tx: Transaction) -> None:
        only_read(tx)
        senders, templates, people = tx.send_all(
            [engine.senders([org]), engine.templates([org], keys), engine.people([org])]
        )
        shared.keep_senders(senders, letterhead)
        shared.keep_templates(templates)
        if Needs.PEOPLE in needs:
            shared.keep_people(people)

    db.transact(work)
    return shared
