"""A connector of a made-up service, as short as one can be: what a new one has to say, and nothing else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crm_relay.platform.errors import RejectedInput, ServerFailed
from crm_relay.platform.http.http_client import Answer, HttpClient
from crm_relay.providers.connectors.access import Access
from crm_relay.providers.connectors.authorized_client import AuthorizedClient
from crm_relay.providers.connectors.contract import (
    AccountInfo,
    Choice,
    FieldRule,
    FieldValue,
    Limit,
    OutgoingRecord,
    RecordPage,
    RecordStream,
    TheirRecord,
    WriteOutcome,
    WriteRefused,
    Written,
)
from crm_relay.providers.connectors.failures import BillingLimit, PermissionMissing, SchemaDrift
from crm_relay.providers.connectors.oauth import OAuthEndpoints

OAUTH = OAuthEndpoints(
    "https://ledger.test/authorize", "https://ledger.test/token", revoke_url="https://ledger.test/revoke"
)


@dataclass(frozen=True)
class LedgerConnector:
    """`rotates` is of no interest here: the answer of the provider says what replaces the refresh token."""

    name: str = "ledger"
    base_url: str = "https://ledger.test"
    oauth: OAuthEndpoints | None = OAUTH
    takes_keys: bool = True
    pickers: Sequence[str] = ("book",)

    def limits(self, settings: Mapping[str, object], account: str) -> Sequence[Limit]:
        return [Limit(f"ledger:{settings.get('book', account)}", per_second=1_000_000.0, lock_out_seconds=0.0)]

    def open(self, http: HttpClient, access: Access, settings: Mapping[str, object]) -> "LedgerAccount":
        return LedgerAccount(AuthorizedClient(http, access, refusal, lock_out_seconds=0.0), settings)


def refusal(answer: Answer) -> Exception | None:
    word = answer.body.get("error") if isinstance(answer.body, dict) else None
    if word == "billing":
        return BillingLimit("the plan of the ledger is used up")
    if answer.status == 404:
        return PermissionMissing("the ledger does not show this book")
    return None


@dataclass(frozen=True)
class LedgerAccount:
    client: AuthorizedClient
    settings: Mapping[str, object]

    def info(self) -> AccountInfo:
        return AccountInfo(str(self.client.send("GET", "/me").body["name"]))

    def streams(self) -> Sequence[RecordStream]:
        fields, books = self.settings.get("fields"), self.settings.get("books") or [self.settings.get("book")]
        if not isinstance(fields, dict) or not isinstance(books, list) or not all(books):
            raise RejectedInput("the settings lack: book, fields")
        rules = [FieldRule(ours, each["id"], each.get("owner", "latest")) for ours, each in fields.items()]
        return [LedgerStream(self.client, str(book), rules) for book in books]

    def choices(self, kind: str, within: str | None = None) -> Sequence[Choice]:
        del kind, within
        return [Choice(each["id"], each["name"]) for each in self.client.send("GET", "/books").body["books"]]


@dataclass(frozen=True)
class LedgerStream:
    client: AuthorizedClient
    name: str
    rules: Sequence[FieldRule]
    largest_write: int = 4
    removal: str = "delete"

    def check(self) -> None:
        there = set(self.client.send("GET", f"/books/{self.name}/fields").body["fields"])
        lost = [rule.ours for rule in self.rules if rule.theirs not in there]
        if lost:
            raise SchemaDrift(f"fields are gone: {', '.join(lost)}", lost)

    def read(self, cursor: str | None) -> RecordPage:
        at = json.loads(cursor) if cursor else {"since": 0, "offset": 0, "all": True}
        query = {"since": str(at["since"]), "offset": str(at["offset"])}
        body = self._body(self.client.send("GET", f"/books/{self.name}/people", query=query))
        # What changes while pages are read is read again behind them.
        began = at.get("began", body["revision"])
        is_last = body["next"] is None
        following = (
            {"since": began, "offset": 0}
            if is_last
            else {"since": at["since"], "offset": body["next"], "began": began, "all": at.get("all", False)}
        )
        records = [self._record(each) for each in body["people"]]
        return RecordPage(records, json.dumps(following), is_last, is_complete=bool(at.get("all")))

    def look_up(self, their_ids: Sequence[str]) -> Sequence[TheirRecord]:
        query = {"ids": ",".join(their_ids)}
        body = self._body(self.client.send("GET", f"/books/{self.name}/people", query=query))
        return [self._record(each) for each in body["people"]]

    def write(self, batch: Sequence[OutgoingRecord]) -> Sequence[WriteOutcome]:
        people = [{"id": each.their_id, "match": each.match, "fields": self._theirs(each.fields)} for each in batch]
        body = self._body(self.client.send("POST", f"/books/{self.name}/people", json={"people": people}))
        return [self._outcome(each) for each in body["results"]]

    def remove(self, their_ids: Sequence[str]) -> None:
        self.client.send("POST", f"/books/{self.name}/removals", json={"ids": list(their_ids)})

    def _outcome(self, result: Mapping[str, Any]) -> WriteOutcome:
        if "refused" in result:
            return WriteRefused(str(result["refused"]), is_gone=result["refused"] == "gone")
        return Written(result["id"], bool(result["new"]))

    def _theirs(self, fields: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
        names = {rule.ours: rule.theirs for rule in self.rules}
        return {names[ours]: value for ours, value in fields.items()}

    def _record(self, person: Mapping[str, Any]) -> TheirRecord:
        fields = {rule.ours: person["fields"].get(rule.theirs) for rule in self.rules}
        return TheirRecord(person["id"], fields, datetime.fromisoformat(person["changed_at"]))

    def _body(self, answer: Answer) -> dict[str, Any]:
        if not isinstance(answer.body, dict):
            raise ServerFailed("the ledger answered without a body")
        return answer.body
