"""The shapes of Airtable's answers, as far as we read them.

https://airtable.com/developers/web/api/introduction; names held against the models of pyairtable 3.5. Nothing here was
recorded.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from crm_relay.platform.http.wire import Wire, moment_or_none


class AirtableRecord(Wire):
    """A row. An empty cell has no entry in `fields`, so a missing key means empty and never "unchanged"."""

    id: str
    created_time: Annotated[datetime | None, BeforeValidator(moment_or_none)] = Field(
        default=None, validation_alias="createdTime"
    )
    fields: dict[str, Any] = Field(repr=False)


class AirtableRecordList(Wire):
    """GET /{base}/{table}, and POST /{base}/{table}/listRecords; no `offset` on the last page."""

    records: list[AirtableRecord]
    offset: str | None = None


class AirtableWritten(Wire):
    """POST, PATCH of up to ten; `createdRecords` where the request was an upsert."""

    records: list[AirtableRecord]
    created: list[str] = Field(default_factory=list, validation_alias="createdRecords")


class AirtableUser(Wire):
    """GET /meta/whoami; `scopes` for OAuth only, `email` with the scope user.email:read."""

    id: str
    email: str | None = None
    scopes: list[str] | None = None


class AirtableBase(Wire):
    """An item of GET /meta/bases; `permissionLevel` is none, read, comment, edit or create."""

    id: str
    name: str
    permission_level: str = Field(default="", validation_alias="permissionLevel")


class AirtableBaseList(Wire):
    """GET /meta/bases, 1,000 a page."""

    bases: list[AirtableBase]
    offset: str | None = None


class AirtableField(Wire):
    """A field of a table's schema. The id survives a renaming; `options` depend on the type."""

    id: str
    name: str
    type: str
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def watches_all(self) -> bool:
        """Whether a field of type lastModifiedTime counts changes of every field: it names none."""
        return self.type == "lastModifiedTime" and not self.options.get("referencedFieldIds")


class AirtableTable(Wire):
    """An item of GET /meta/bases/{base}/tables."""

    id: str
    name: str
    fields: list[AirtableField]


class AirtableTableList(Wire):
    """GET /meta/bases/{base}/tables: all of them in one answer."""

    tables: list[AirtableTable]
