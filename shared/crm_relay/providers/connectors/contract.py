"""The contract of every connector; tests/support/connections/kit.py holds each of them to it.

A connector is one folder in `providers/`: a `Connector` (a table of facts and `open`), its streams, and a simulator in
`local/simulators/`. It knows no SQL, stores nothing, decides nothing about who owns a field, and never repeats a
request: the engine (`connections/`) does. One run of the engine calls it in this order:

1. `Connector.open(http, access, settings)` once. No request may be made here.
2. For each of `Account.streams()`: `check()`, then `read(cursor)` until a page says `is_last`; the cursor of a page is
   stored in the transaction that applies its records, so a run that dies reads the last page again.
3. After the last page `write(batch)` with what our side has changed, at most `largest_write` records a call.
4. After a complete pass `look_up(ids)` for records that were not seen in it (pages shift), and `remove(ids)` for those
   that have to go, if the connection's settings say so. Of an `AudienceStream`, `unsubscribe(ids)` and `erase(ids)`.

An error of one stream ends that stream alone. See `failures.py` for what each error leads to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.connectors.access import Access
from crm_relay.providers.connectors.oauth import OAuthEndpoints

FieldValue = str | int | float | bool | None
"""Text is stripped, and None where it is empty; times are ISO 8601 text in UTC."""


@dataclass(frozen=True)
class FieldRule:
    """One mapped field. `ours`: a column of ours, such as `email`. `theirs`: what survives a renaming there (an id).

    `owner` decides where both sides changed it: `ours`, `theirs`, or `latest` by the time of the change.
    """

    ours: str
    theirs: str
    owner: Literal["ours", "theirs", "latest"] = "latest"


Standing = Literal["subscribed", "unsubscribed", "undeliverable", "archived", "none"]
"""Whether the other side writes to a person: `undeliverable` by its own evidence, `none`: never asked to."""


@dataclass(frozen=True)
class TheirRecord:
    """A record as the other side has it now.

    `fields`: every mapped field by OUR name, one that is empty there as None, and none that is not mapped.
    `changed_at`: when somebody last changed it there, None where they do not say; aware.
    `is_removed`: it is known to be gone there (only connectors whose changes say so). `standing`: of an audience.
    `former_id`: another id, under which it may have been written before its lasting one was known.
    """

    their_id: str
    fields: Mapping[str, FieldValue] = field(repr=False)
    changed_at: datetime | None = None
    is_removed: bool = False
    standing: Standing | None = None
    former_id: str | None = None


@dataclass(frozen=True)
class RecordPage:
    """Some records, and the cursor that reads on behind them.

    `cursor` is opaque to the engine and stored as it is (at most 2,000 characters, no personal data). It stands for the
    mode too: what was begun as a complete pass goes on as one, and the cursor of a page with `is_last` begins the next
    read of changes. A page may repeat records of another one. `is_complete`: the read that this page is of began as a
    complete pass.
    """

    records: Sequence[TheirRecord]
    cursor: str
    is_last: bool
    is_complete: bool = False


@dataclass(frozen=True)
class OutgoingRecord:
    """A record to write. `their_id` None: create it, or find it by `match` where the other side can (upsert).

    `fields`: by OUR names, only what has to be written; None empties a field. A new record has all of its fields.
    `match`: the value of the match field (a normalised address), which no other record of the same call has.
    """

    their_id: str | None
    match: str = field(repr=False)
    fields: Mapping[str, FieldValue] = field(repr=False)


@dataclass(frozen=True)
class Written:
    """The other side confirmed this record.

    `fields`: what it holds now of the fields that were written, where the answer says so: it may round or cut. None:
    as sent.
    """

    their_id: str
    is_new: bool
    fields: Mapping[str, FieldValue] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class WriteRefused:
    """This record alone was surely not written; `reason` names a field and a rule, never a value.

    `is_gone`: the record is not there any more (404 for its id).
    """

    reason: str
    is_gone: bool = False


WriteOutcome = Written | WriteRefused


class RecordStream(Protocol):
    """One table, audience or list of the account, whose records are people with an address."""

    @property
    def name(self) -> str:
        """Stable for as long as the connection's settings are; it is part of keys."""

    @property
    def rules(self) -> Sequence[FieldRule]:
        """The mapped fields; one of them is `email`, by which records are matched."""

    @property
    def largest_write(self) -> int:
        """So many records it takes in one call of `write` and of `remove`."""

    @property
    def removal(self) -> str:
        """What `remove` does, as a verb for people: `delete` or `archive`."""

    def check(self) -> None:
        """Whether the mapped fields are all there, by at most one request. Raises SchemaDrift, PermissionMissing."""

    def read(self, cursor: str | None) -> RecordPage:
        """One page, by one request. None: the first page of a complete pass; else what follows the cursor.

        The cursor of a last page reads what has changed since, and may read some of it again: what changed while the
        pages were read has to be among it. Raises CursorLost where it is no longer known.
        """

    def look_up(self, their_ids: Sequence[str]) -> Sequence[TheirRecord]:
        """Those of at most 100 records that still exist, in any order."""

    def write(self, batch: Sequence[OutgoingRecord]) -> Sequence[WriteOutcome]:
        """One request with all of the batch; one outcome a record, in order.

        Creations and updates may stand in one batch. Raises RejectedInput where the request was refused as a whole for
        some record (the engine halves the batch), NoAnswer or ServerFailed where it may have been carried out: then the
        engine reads the changes before it writes these records again.
        """

    def remove(self, their_ids: Sequence[str]) -> None:
        """Remove these records; one that is gone already is no error. Errors as in `write`."""


@runtime_checkable
class AudienceStream(RecordStream, Protocol):
    """A stream that the other side writes to by itself, so that consent is kept there too. Its records have a standing.

    The engine puts who left there into the ledger of consent, has who left here unsubscribed there, and never creates a
    record of somebody who left anywhere.
    """

    @property
    def ledger_source(self) -> str:
        """What the ledger names as the source of its events."""

    def id_of(self, address: str) -> str:
        """By which a record with this address can be asked for, though nobody has read it."""

    def unsubscribe(self, their_ids: Sequence[str]) -> Sequence[WriteOutcome]:
        """At most `largest_write` records; one outcome each, in order. Errors as in `write`."""

    def erase(self, their_ids: Sequence[str]) -> None:
        """As `remove`, for good: the other side takes these people back only by their own will."""


@dataclass(frozen=True)
class AccountInfo:
    """Whose account it is: `label` for people (an address or a name), `detail` such as scopes or the plan."""

    label: str
    detail: str = ""


@dataclass(frozen=True)
class Choice:
    """One entry of a picker: a base, a table, a field, an audience or a label."""

    id: str
    name: str


class Account(Protocol):
    """One connected account, opened for one run."""

    def info(self) -> AccountInfo:
        """By one light request: whether the credentials are valid. Raises ReconnectNeeded where they are not."""

    def streams(self) -> Sequence[RecordStream]:
        """By the settings. Raises RejectedInput naming each setting that is missing or malformed."""

    def choices(self, kind: str, within: str | None = None) -> Sequence[Choice]:
        """What can be picked of `kind` (one of `Connector.pickers`), inside the choice `within` of the one before."""


@dataclass(frozen=True)
class Limit:
    """One limit of the vendor. `scope` is shared by all connections that meet it, such as `airtable:base:app…`.

    `per_second` requests a second; `lock_out_seconds`: so long nothing is sent after a 429 that says no time;
    `monthly`: requests in a calendar month (UTC), None for no such limit.
    """

    scope: str
    per_second: float
    lock_out_seconds: float = 30.0
    monthly: int | None = None


class Connector(Protocol):
    """One kind of integration: facts that never change, and how to open an account."""

    @property
    def name(self) -> str:
        """The `integration_type` of its connections and the `{provider}` of its OAuth addresses."""

    @property
    def base_url(self) -> str:
        """Of its API; an installation may set another one, for a simulator or a private instance."""

    @property
    def oauth(self) -> OAuthEndpoints | None:
        """None: only API keys."""

    @property
    def takes_keys(self) -> bool:
        """Whether an account can be connected by a key; False: by OAuth alone."""

    @property
    def pickers(self) -> Sequence[str]:
        """The kinds of `Account.choices` in the order in which they are picked, such as ("base", "table", "field")."""

    def limits(self, settings: Mapping[str, object], account: str) -> Sequence[Limit]:
        """Of a connection with these settings; `account` names the connection, for limits of its own."""

    def open(self, http: HttpClient, access: Access, settings: Mapping[str, object]) -> Account:
        """For one run; no request is made here."""


@runtime_checkable
class AudienceConnector(Connector, Protocol):
    """A connector whose streams are AudienceStreams."""

    @property
    def has_audiences(self) -> bool:
        """True."""
