"""Records as they are now, with what steps of a rehearsal would have written into them since."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from crm_relay.rules.record_conditions import RecordFacts
from crm_relay.workflows.actions.effects import FieldWrite
from crm_relay.workflows.entities import ENTITIES
from crm_relay.workflows.models import EntityType
from crm_relay.workflows.rehearsal.simulated_run import Records
from crm_relay.workflows.starting.records import RecordKey


@dataclass
class WrittenRecords:
    """Conditions and variables behind a write see its value, of this run and of every later one of the record."""

    records: Records
    fields: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    def keep(self, write: FieldWrite) -> None:
        """From now on."""
        self.fields.setdefault(write.entity_id, {}).update(write.fields)

    def of(self, key: RecordKey, ahead: Callable[[], Iterable[RecordKey]] = tuple) -> RecordFacts | Exception:
        """As `Records.of`."""
        found = self.records.of(key, ahead)
        written = self.fields.get(key[1]) if self.fields else None
        if not written or isinstance(found, Exception) or found.record is None:
            return found
        record = {**found.record, **written}
        kind = EntityType(key[0])
        return replace(
            found,
            record=record,
            contact=record if kind is EntityType.CONTACT else found.contact,
            account=record if kind is EntityType.ACCOUNT else found.account,
            owner=self._owner(kind, written, found),
        )

    def _owner(self, kind: EntityType, written: Mapping[str, Any], found: RecordFacts) -> Mapping[str, Any] | None:
        column = ENTITIES[kind].owner
        if column is None or column not in written:
            return found.owner
        return self.records.colleague(UUID(str(written[column])))
