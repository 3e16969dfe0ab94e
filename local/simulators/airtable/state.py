"""What one simulated Airtable account remembers: bases, tables, fields, rows, and who may reach them."""

from __future__ import annotations

import secrets
import string
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.simulators.airtable.wire import Json, no_permission
from local.simulators.clock import MovableClock

_LETTERS = string.ascii_letters + string.digits
EVERY_SCOPE = frozenset(
    {"data.records:read", "data.records:write", "schema.bases:read", "user.email:read", "webhook:manage"}
)


def new_id(kind: str) -> str:
    """`app`, `tbl`, `fld`, `rec` and so on with 14 letters and digits [D]."""
    return kind + "".join(secrets.choice(_LETTERS) for _ in range(14))


@dataclass
class SimulatedColumn:
    id: str
    name: str
    type: str
    options: Json = field(default_factory=dict)

    @property
    def schema(self) -> Json:
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            **({"options": self.options} if self.options else {}),
        }


@dataclass
class SimulatedView:
    """`only`: ids of the rows that it shows; None: all."""

    id: str
    name: str
    only: set[str] | None = None


@dataclass
class SimulatedRecord:
    """`cells` by id of the field; an empty cell has no entry."""

    id: str
    created: datetime
    modified: datetime
    number: int
    cells: dict[str, Any] = field(default_factory=dict)


@dataclass
class SimulatedTable:
    id: str
    name: str
    fields: list[SimulatedColumn]
    views: list[SimulatedView] = field(default_factory=lambda: [SimulatedView(new_id("viw"), "Grid view")])
    records: dict[str, SimulatedRecord] = field(default_factory=dict)
    last_number: int = 0

    def field(self, name_or_id: str) -> SimulatedColumn | None:
        return next((each for each in self.fields if name_or_id in (each.id, each.name)), None)

    def view(self, name_or_id: str) -> SimulatedView | None:
        return next((each for each in self.views if name_or_id in (each.id, each.name)), None)

    def add(self, cells: dict[str, Any], now: datetime) -> SimulatedRecord:
        self.last_number += 1
        record = SimulatedRecord(new_id("rec"), now, now, self.last_number, cells)
        self.records[record.id] = record
        return record

    @property
    def schema(self) -> Json:
        return {
            "id": self.id,
            "name": self.name,
            "primaryFieldId": self.fields[0].id,
            "fields": [each.schema for each in self.fields],
            "views": [{"id": each.id, "name": each.name, "type": "grid"} for each in self.views],
        }


@dataclass
class SimulatedBase:
    id: str
    name: str
    permission_level: str = "create"
    tables: list[SimulatedTable] = field(default_factory=list)

    def table(self, name_or_id: str) -> SimulatedTable | None:
        return next((each for each in self.tables if name_or_id in (each.id, each.name)), None)


@dataclass
class SimulatedGrant:
    """A person's consent, or a personal access token (`client_id` None, which never expires).

    `spent` are the refresh tokens that were used before.
    """

    user_id: str
    email: str
    scopes: frozenset[str]
    bases: frozenset[str] | None  # None: all
    client_id: str | None = None
    access_token: str = ""
    refresh_token: str = ""
    access_until: datetime | None = None
    refresh_until: datetime | None = None
    spent: set[str] = field(default_factory=set)
    revoked: bool = False

    def may(self, scope: str) -> bool:
        return scope in self.scopes


@dataclass
class OAuthClient:
    """An integration as it is registered; without `secret` the client id stands in the body [D]."""

    client_id: str
    secret: str | None
    redirect_uris: tuple[str, ...]
    scopes: frozenset[str] = EVERY_SCOPE


@dataclass
class PageIterator:
    """A listing that is being read: the rows that were left at its first page, in order."""

    ids: list[str]
    used_at: datetime


class AirtableState:
    """All state. `lock` is held for reads and writes of it."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.bases: dict[str, SimulatedBase] = {}
        self.grants: list[SimulatedGrant] = []
        self.clients: dict[str, OAuthClient] = {}
        self.codes: dict[str, Json] = {}
        self.iterators: dict[str, PageIterator] = {}
        self.iterator_seconds = 300.0
        self.bases_per_page = 1000
        self.access_seconds = 3600
        self.refresh_seconds = 60 * 86_400
        self.denies = False  # the next person refuses
        self.made: list[SimulatedRecord] = []  # rows that were created over the API, in order

    def grant(self, access_token: str) -> SimulatedGrant | None:
        """None for a token that is unknown, revoked, replaced or expired."""
        now = self.clock.now()
        for each in self.grants:
            if each.access_token == access_token and not each.revoked:
                return each if each.access_until is None or now < each.access_until else None
        return None

    def base(self, base_id: str, grant: SimulatedGrant) -> SimulatedBase:
        base = self.bases.get(base_id)
        if base is None or (grant.bases is not None and base_id not in grant.bases):
            raise no_permission()
        return base

    def tables(self) -> Iterable[SimulatedTable]:
        return (table for base in self.bases.values() for table in base.tables)
