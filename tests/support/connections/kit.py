"""The contract kit: holds a connector, over its simulator, to what the engine needs, whatever breaks and wherever.

Every fault at every request, a worker that dies at every step, a grant that somebody else rotates in the middle: once
it is over, both sides are equal, nothing is lost, and nothing was created twice.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from crm_relay.connections.installed.context import ConnectionContext
from crm_relay.connections.models import SyncResult
from crm_relay.connections.tokens.vault import Vault
from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import Answer, HttpClient
from crm_relay.providers.connectors.access import Access
from crm_relay.providers.connectors.contract import Account, Connector
from crm_relay.providers.connectors.setup import ConnectorSetup
from tests.conftest import fresh_database
from tests.support.connections.connection_stage import ConnectionStage, StaticKey
from tests.support.platform.rows import rows_of
from tests.support.processes.sudden_death import Killed, Life

FAULTS = ("401", "403", "429", "500", "503", "hang", "lost", "truncated", "html")
"""What every simulator has to do with one request. `lost`: carried out, and the answer never arrives."""

READING_FAULTS = ("duplicate_page", "shift")
"""What a list may do besides: repeat records of another page, and leave some out since others were removed."""

NAMES = ("email", "first_name", "last_name", "title")
"""What the kit writes; a vendor maps these with the owners latest, ours, theirs, latest."""


class KitVendor(Protocol):
    """A simulator as the kit plays with it; fields by our names, one that is empty is left out."""

    connector: Connector
    url: str

    def settings(self) -> Mapping[str, Any]:
        """Of a connection to it, with the four fields."""

    def grant(self) -> Mapping[str, Any]:
        """OAuth tokens that were just issued: access_token, refresh_token."""

    def add(self, fields: Mapping[str, Any]) -> str:
        """Somebody there adds a record; its id."""

    def edit(self, their_id: str, fields: Mapping[str, Any]) -> None:
        """Somebody there changes it."""

    def delete(self, their_id: str) -> None:
        """Somebody there removes it."""

    def people(self) -> Mapping[str, Mapping[str, Any]]:
        """All records, by id."""

    def fault(self, kind: str) -> None:
        """The next request meets it."""

    def heal(self) -> None:
        """No fault waits any more."""

    def created(self) -> Counter[str]:
        """How often our client created a record of each address."""


Vendors = Callable[[], "Iterator[KitVendor]"]


@dataclass
class TrialHttp(HttpClient):
    """Lets something happen right before its nth request."""

    at: int = 0
    happens: Callable[[], None] = lambda: None

    def send(self, method: str, path: str, **more: Any) -> Answer:
        if self.requests_sent + 1 == self.at:
            self.happens()
        return super().send(method, path, **more)


@dataclass
class Trial:
    """One connection between a few people here and there, some of whom are on both sides."""

    stage: ConnectionStage
    vendor: KitVendor
    connection: UUID
    last_requests: int = 0

    def sync(self, at: int = 0, happens: Callable[[], None] = lambda: None, *, complete: bool = False) -> SyncResult:
        """With something that happens before the nth request."""
        http = TrialHttp(self.vendor.url, timeout=(2.0, 2.0), repeats=0, at=at, happens=happens)

        def open_account(access: Access, settings: Mapping[str, object]) -> Account:
            return self.vendor.connector.open(http, access, settings)

        before = self.stage.context.setups[self.vendor.connector.name]
        setups = {self.vendor.connector.name: ConnectorSetup(before.connector, open_account, before.oauth)}
        context = ConnectionContext(Vault(StaticKey()), setups, self.stage.sleeps.append)
        try:
            return self.stage.open(self.connection, context=context).sync(complete=complete)
        finally:
            self.last_requests = http.requests_sent

    def settle(self) -> None:
        """The vendor is well again: whatever was left is done, and another run finds nothing to do."""
        self.vendor.heal()
        self.free_leases()
        for complete in (False, False, True):
            result = self.sync(complete=complete)
            assert result.success, result
        quiet = self.sync()
        assert quiet.success, quiet
        assert quiet.records_synced == 0, quiet
        compared = next(iter(result.metadata["streams"].values()))["compared"]
        assert compared["is_equal"], compared
        self.assert_equal()

    def free_leases(self) -> None:
        """As minutes later."""
        rows_of(self.stage.db, "update integration_connections set leased_until = null")
        rows_of(self.stage.db, "update integration_secrets set refresh_until = null")

    def assert_equal(self) -> None:
        """Everybody is on both sides once, with the same values."""
        there = list(self.vendor.people().values())
        ours_by_address = self.stage.contacts()
        assert Counter(each["email"] for each in there) == Counter(list(ours_by_address))
        for each in there:
            ours = _known(ours_by_address[each["email"]])
            assert dict(each) == ours
        repeated = {address: count for address, count in self.vendor.created().items() if count > 1}
        assert repeated == {}

    def everybody_changes(self) -> None:
        """On both sides, fields of every owner, and somebody new on each."""
        for number, their_id in enumerate(sorted(self.vendor.people())):
            self.vendor.edit(their_id, {"last_name": f"theirs {number}"})
        for row in self.stage.contacts().values():
            self.stage.change(row["id"], first_name=f"ours of {row['email'][:3]}")
        self.stage.contact("new-here@example.com", title="New")
        self.vendor.add({"email": "new-there@example.com", "title": "New"})


@contextmanager
def trial(postgres_url: str, vendor: KitVendor) -> Iterator[Trial]:
    """A database of its own; the connection opens by OAuth."""
    with fresh_database(postgres_url) as url:
        database = Database(url)
        stage = ConnectionStage(database, url, vendor.url, vendor.connector)
        for number in range(5):
            stage.contact(f"here{number}@example.com", first_name=f"Here {number}")
        stage.contact("both@example.com", first_name="Both", title="Countess")
        for number in range(4):
            vendor.add({"email": f"there{number}@example.com", "last_name": f"There {number}"})
        vendor.add({"email": "both@example.com", "last_name": "Sides"})
        connection = stage.connect(vendor.settings(), vendor.grant(), expires_in=timedelta(hours=1))
        yield Trial(stage, vendor, connection)
        database.close()


def fault_at_every_request(postgres_url: str, vendors: Vendors, kind: str) -> int:
    """In the first sync and in one after changes on both sides; how many trials that took."""
    trials, at = 0, 0
    is_beyond = [False, False]
    while not all(is_beyond):
        at += 1
        for phase in (0, 1):
            if is_beyond[phase]:
                continue
            is_beyond[phase] = not _fault_at(postgres_url, vendors, kind, phase, at)
            trials += 1
    return trials


def some_fault_at_every_request(postgres_url: str, vendors: Vendors, kinds: Sequence[str]) -> Counter[str]:
    """A sample of all faults at all requests: one a request, in turn, each at least once; how often each was met."""
    met = Counter[str]()
    for phase in (0, 1):
        at = 1
        while _fault_at(postgres_url, vendors, kinds[met.total() % len(kinds)], phase, at):
            met[kinds[met.total() % len(kinds)]] += 1
            at += 1
    for kind in kinds:
        if not met[kind]:
            met[kind] += _fault_at(postgres_url, vendors, kind, 1, 2)
    return met


def _fault_at(postgres_url: str, vendors: Vendors, kind: str, phase: int, at: int) -> bool:
    """Whether there is so late a request. `phase` 1: after changes on both sides."""
    has_met = False
    for vendor in vendors():
        with trial(postgres_url, vendor) as one:
            if phase:
                one.settle()
                one.everybody_changes()
            one.sync(at, partial(vendor.fault, kind), complete=not phase)
            has_met = one.last_requests >= at
            one.settle()
    return has_met


def rotated_at_every_request(postgres_url: str, vendors: Vendors) -> int:
    """Another worker refreshes the grant in the middle of a sync, and the old token may be dead at once."""
    at, requests = 0, 1
    while at <= requests:
        at += 1
        for vendor in vendors():
            with trial(postgres_url, vendor) as one:
                another = Database(one.stage.url)

                def refresh(one: Trial = one, another: Database = another) -> None:
                    one.stage.open(one.connection, db=another).refresh_oauth_token()

                result = one.sync(at, refresh)
                another.close()
                assert result.success, result
                requests = one.last_requests
                one.settle()
    return at


def killed_at_every_step(postgres_url: str, vendors: Vendors, *, before: bool, every: int = 1) -> int:
    """A worker dies before or after each statement and request; the next one finds its way. How many steps."""
    step = 1
    while True:
        for vendor in vendors():
            with trial(postgres_url, vendor) as one:
                life = Life(step, before=before)
                database, context = one.stage.mortal(life)
                with suppress(Killed):
                    one.stage.open(one.connection, db=database, context=context).sync()
                is_over = life.is_over
                database.close()
                one.settle()
        if not is_over:
            return step
        step += every


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in NAMES if row[name] is not None}
