"""Airtable's web API in verbs of ours: rows of a table, ten a write and a hundred a page, and the schema.

https://airtable.com/developers/web/api. Nothing is repeated here; errors as in AuthorizedClient.send, refusals as in
refusals.py. Every row is read and written by ids of fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from crm_relay.platform.http.http_client import Answer
from crm_relay.platform.http.json_answer import parsed
from crm_relay.providers.airtable import wire
from crm_relay.providers.connectors.authorized_client import AuthorizedClient

LARGEST_PAGE = 100
LARGEST_WRITE = 10
_MOST_PAGES_OF_BASES = 50

Cells = Mapping[str, Any]


@dataclass(frozen=True)
class RowPage:
    """`answered_at`: Airtable's own time, None where the answer has no date."""

    rows: Sequence[wire.AirtableRecord]
    offset: str | None
    answered_at: datetime | None


@dataclass(frozen=True)
class RowToWrite:
    """A row to write; `id` None: a new one."""

    id: str | None
    cells: Cells

    def body(self) -> dict[str, Any]:
        return {"fields": dict(self.cells)} | ({} if self.id is None else {"id": self.id})


class AirtableApi:
    """One account."""

    def __init__(self, client: AuthorizedClient) -> None:
        self._client = client

    def user(self) -> wire.AirtableUser:
        return parsed(wire.AirtableUser, self._client.send("GET", "/v0/meta/whoami"))

    def bases(self) -> list[wire.AirtableBase]:
        """All that the account may see."""
        found: list[wire.AirtableBase] = []
        offset: str | None = None
        for _ in range(_MOST_PAGES_OF_BASES):
            query = {} if offset is None else {"offset": offset}
            page = parsed(wire.AirtableBaseList, self._client.send("GET", "/v0/meta/bases", query=query))
            found += page.bases
            offset = page.offset
            if offset is None:
                break
        return found

    def tables(self, base_id: str) -> list[wire.AirtableTable]:
        answer = self._client.send("GET", f"/v0/meta/bases/{quote(base_id)}/tables")
        return parsed(wire.AirtableTableList, answer).tables

    def table(self, base_id: str, table_id: str) -> "TableApi":
        """No request is made."""
        return TableApi(self._client, f"/v0/{quote(base_id)}/{quote(table_id)}")


class TableApi:
    """One table of a base."""

    def __init__(self, client: AuthorizedClient, path: str) -> None:
        self._client = client
        self._path = path

    def page(self, fields: Sequence[str], *, offset: str | None = None, formula: str | None = None) -> RowPage:
        """A page of a hundred. Raises IteratorGone where `offset` is not known any more."""
        query: dict[str, str | Sequence[str]] = {
            "pageSize": str(LARGEST_PAGE),
            "returnFieldsByFieldId": "true",
            "fields[]": fields,
        }
        if formula is not None:
            query["filterByFormula"] = formula
        if offset is not None:
            query["offset"] = offset
        return _page(self._client.send("GET", self._path, query=query))

    def find(self, fields: Sequence[str], formula: str) -> RowPage:
        """Up to a hundred rows by a formula, which stands in the body: it may hold addresses and be long."""
        body = {
            "pageSize": LARGEST_PAGE,
            "returnFieldsByFieldId": True,
            "fields": list(fields),
            "filterByFormula": formula,
        }
        return _page(self._client.send("POST", f"{self._path}/listRecords", json=body))

    def create(self, rows: Sequence[RowToWrite], *, typecast: bool) -> wire.AirtableWritten:
        """At most ten new rows, all or none."""
        return self._write("POST", rows, typecast, {})

    def update(
        self, rows: Sequence[RowToWrite], *, typecast: bool, merge_on: str | None = None
    ) -> wire.AirtableWritten:
        """At most ten rows by their id, all or none; cells that are not named stay.

        `merge_on`: id of the field by which a row without an id is found; one that is not found is created. The whole
        request is refused where two rows have its value. Never send one value twice.
        """
        upsert = {} if merge_on is None else {"performUpsert": {"fieldsToMergeOn": [merge_on]}}
        return self._write("PATCH", rows, typecast, upsert)

    def delete(self, row_ids: Sequence[str]) -> None:
        """At most ten rows, all or none: refused where one is not there."""
        self._client.send("DELETE", self._path, query={"records[]": row_ids})

    def _write(
        self, method: str, rows: Sequence[RowToWrite], typecast: bool, more: Mapping[str, Any]
    ) -> wire.AirtableWritten:
        body = {"records": [row.body() for row in rows], "typecast": typecast, "returnFieldsByFieldId": True, **more}
        return parsed(wire.AirtableWritten, self._client.send(method, self._path, json=body))


def _page(answer: Answer) -> RowPage:
    found = parsed(wire.AirtableRecordList, answer)
    return RowPage(found.records, found.offset, _date(answer.headers.get("date")))


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
