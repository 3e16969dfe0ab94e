"""An account without a network: what a sync over it costs is ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.connectors.access import Access
from crm_relay.providers.connectors.contract import (
    AccountInfo,
    Choice,
    FieldRule,
    Limit,
    OutgoingRecord,
    RecordPage,
    RecordStream,
    TheirRecord,
    WriteOutcome,
    Written,
)

_PAGE = 100
_RULES = tuple(FieldRule(name, name) for name in ("email", "first_name", "last_name", "title"))


@dataclass
class MemoryVendor:
    """It is its own connector, account and stream."""

    name: str = "memory"
    base_url: str = "memory:"
    oauth: None = None
    takes_keys: bool = True
    pickers: Sequence[str] = ()
    rules: Sequence[FieldRule] = _RULES
    largest_write: int = 10
    removal: str = "delete"
    people: dict[str, TheirRecord] = field(default_factory=dict)
    requests: int = 0
    listed: Sequence[TheirRecord] = ()
    has_changed: bool = False

    def change_all(self, **fields: str) -> None:
        """Somebody there changes these fields of everybody, later than anybody here."""
        self.has_changed, later = True, datetime.now(UTC) + timedelta(hours=1)
        for their_id, each in self.people.items():
            self.people[their_id] = TheirRecord(their_id, {**each.fields, **fields}, later)

    def limits(self, settings: Mapping[str, object], account: str) -> Sequence[Limit]:
        """A real one of them, so that permits cost what they cost."""
        del settings
        return [Limit(f"memory:{account}", per_second=1e9)]

    def open(self, http: HttpClient, access: Access, settings: Mapping[str, object]) -> "MemoryVendor":
        del http, settings
        self._access = access
        return self

    def info(self) -> AccountInfo:
        return AccountInfo("memory")

    def streams(self) -> Sequence[RecordStream]:
        return [self]

    def choices(self, kind: str, within: str | None = None) -> Sequence[Choice]:
        del kind, within
        return []

    def check(self) -> None:
        self._ask()

    def read(self, cursor: str | None) -> RecordPage:
        """`changes`: nothing or, after `change_all`, everything has changed."""
        self._ask()
        if cursor == "changes" and not self.has_changed:
            return RecordPage([], "changes", True)
        cursor, self.has_changed = None if cursor == "changes" else cursor, False
        start = int(cursor or 0)
        if start == 0:
            self.listed = list(self.people.values())
        page = self.listed[start : start + _PAGE]
        is_last = start + _PAGE >= len(self.listed)
        return RecordPage(page, "changes" if is_last else str(start + _PAGE), is_last, is_complete=True)

    def look_up(self, their_ids: Sequence[str]) -> Sequence[TheirRecord]:
        self._ask()
        return [self.people[one] for one in their_ids if one in self.people]

    def write(self, batch: Sequence[OutgoingRecord]) -> Sequence[WriteOutcome]:
        self._ask()
        written = []
        for each in batch:
            their_id = each.their_id or f"r{len(self.people):07}"
            known = self.people[their_id].fields if their_id in self.people else {}
            self.people[their_id] = TheirRecord(their_id, {**known, **each.fields})
            written.append(Written(their_id, each.their_id is None))
        return written

    def remove(self, their_ids: Sequence[str]) -> None:
        self._ask()
        for one in their_ids:
            self.people.pop(one, None)

    def _ask(self) -> None:
        self._access.take_permit()
        self._access.token()
        self.requests += 1
