"""Rows that come as JSON, with the types that the driver would have read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from crm_relay.platform.postgres.column_readers import read_timestamptz, read_uuid

Row = dict[str, Any]


@dataclass(frozen=True)
class JsonColumns:
    """Which columns are ids and which are times; JSON has a type of its own for all others."""

    uuids: tuple[str, ...] = ()
    moments: tuple[str, ...] = ()

    def rows(self, objects: Iterable[Mapping[str, Any]]) -> list[Row]:
        """A row each. KeyError where a named column is missing."""
        return [self._row(each) for each in objects]

    def _row(self, named: Mapping[str, Any]) -> Row:
        row = dict(named)
        for name in self.uuids:
            if row[name] is not None:
                row[name] = read_uuid(row[name])
        for name in self.moments:
            if row[name] is not None:
                row[name] = read_timestamptz(row[name])
        return row
