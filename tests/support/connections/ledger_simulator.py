"""The made-up service of `ledger_connector`: books of people, OAuth of three kinds, and every fault of the kit."""

import base64
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from local.simulators.fault_queue import AimedFault, FaultQueue
from local.simulators.http_server import Incoming, NoAnswerError, Outgoing, ServedSimulator

KEY = "key-of-the-ledger"
PAGE = 3


@dataclass
class LedgerFault(AimedFault):
    """`lost`: carried out, and the answer never arrives. `truncated`: the answer is cut."""

    kinds = frozenset(
        {"401", "403", "429", "500", "503", "hang", "lost", "truncated", "html", "billing", "duplicate_page", "shift"}
    )


@dataclass
class LedgerPerson:
    fields: dict[str, Any]
    revision: int
    changed_at: str


@dataclass
class Book:
    fields: list[str] = field(default_factory=lambda: ["f_mail", "f_first", "f_last", "f_title"])
    people: dict[str, LedgerPerson] = field(default_factory=dict)


class LedgerSimulator(ServedSimulator):
    """`rotates`: a refresh replaces the refresh token. `kills`: and ends the old access token at once."""

    def __init__(self, *, rotates: bool = True, kills: bool = False, now: Callable[[], datetime] | None = None) -> None:
        super().__init__()
        self.rotates, self.kills = rotates, kills
        self.books: dict[str, Book] = {"main": Book()}
        self.faults: FaultQueue[LedgerFault] = FaultQueue()
        self.requests: list[str] = []
        self.refreshes: list[str] = []
        self.creations: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.refused_words: set[str] = set()
        self.access: set[str] = set()
        self.refresh_tokens: set[str] = set()
        self.codes: dict[str, str] = {}
        self.revoked: list[str] = []
        self.refresh_seconds = 0.0
        self.lifetime = 3600
        self._lock = threading.RLock()
        self._revision = 0
        self._issued = 0
        self._now = now or (lambda: datetime.now(UTC))

    # A person at the ledger

    def edit(self, their_id: str, fields: dict[str, Any], book: str = "main") -> None:
        with self._lock:
            self._put(self.books[book], their_id, fields)

    def add(self, fields: dict[str, Any], book: str = "main") -> str:
        with self._lock:
            their_id = f"p{self._revision + 1:05d}"
            self._put(self.books[book], their_id, fields)
            return their_id

    def delete(self, their_id: str, book: str = "main") -> None:
        with self._lock:
            del self.books[book].people[their_id]

    def people(self, book: str = "main") -> dict[str, dict[str, Any]]:
        with self._lock:
            return {one: dict(each.fields) for one, each in self.books[book].people.items()}

    def grant(self) -> dict[str, Any]:
        """A first pair of tokens."""
        with self._lock:
            return self._issue(None)

    def fault(self, match: str, kind: str, times: int = 1) -> None:
        self.faults.add(LedgerFault(match, kind, times))

    # The service

    def answer(self, incoming: Incoming) -> Outgoing:
        line = f"{incoming.method} {incoming.target}"
        with self._lock:
            self.requests.append(line)
        fault = self.faults.take(line, incoming.body)
        kind = fault.kind if fault else ""
        if kind in {"401", "403", "429", "500", "503"}:
            return _json(int(kind), {"error": kind})
        if kind == "billing":
            return _json(429, {"error": "billing"})
        if kind == "html":
            return Outgoing(200, {"Content-Type": "text/html"}, b"<html>sign in</html>")
        if kind == "hang":
            raise NoAnswerError
        status, body = self._route(incoming, kind)
        if kind == "lost":
            raise NoAnswerError
        if kind == "truncated":
            return Outgoing(status, {"Content-Type": "application/json"}, json.dumps(body).encode()[:-7])
        return _json(status, body)

    def _route(self, incoming: Incoming, kind: str) -> tuple[int, Any]:
        if incoming.path in {"/token", "/revoke"}:
            return self._oauth(incoming)
        token = incoming.header("Authorization").removeprefix("Bearer ")
        with self._lock:
            if token != KEY and token not in self.access:
                return 401, {"error": "token"}
            parts = incoming.path.strip("/").split("/")
            if parts == ["me"]:
                return 200, {"name": "Ada's ledger"}
            if parts == ["books"]:
                return 200, {"books": [{"id": one, "name": one.title()} for one in self.books]}
            if len(parts) != 3 or parts[1] not in self.books:
                return 404, {"error": "unknown"}
            return self._book(self.books[parts[1]], parts[2], incoming, kind)

    def _book(self, book: Book, what: str, incoming: Incoming, kind: str) -> tuple[int, Any]:
        if what == "fields":
            return 200, {"fields": book.fields}
        if what == "removals":
            for one in json.loads(incoming.body)["ids"]:
                book.people.pop(one, None)
            return 200, {}
        if incoming.method == "POST":
            return self._write(book, json.loads(incoming.body)["people"])
        return 200, self._read(book, incoming.query, kind)

    def _read(self, book: Book, query: dict[str, str], kind: str) -> dict[str, Any]:
        if "ids" in query:
            found = [one for one in query["ids"].split(",") if one in book.people]
            return {"people": [self._shown(book, one) for one in found], "next": None, "revision": self._revision}
        offset = int(query["offset"])
        if kind == "shift" and offset:
            # Somebody removed a record of an earlier page: this one begins a record too late.
            offset += 1
        since = int(query["since"])
        listed = [one for one in sorted(book.people) if book.people[one].revision > since]
        page = listed[offset : offset + PAGE]
        if kind == "duplicate_page" and offset >= PAGE:
            page = [*listed[offset - PAGE : offset], *page]
        following = offset + PAGE if offset + PAGE < len(listed) else None
        return {"people": [self._shown(book, one) for one in page], "next": following, "revision": self._revision}

    def _write(self, book: Book, people: list[dict[str, Any]]) -> tuple[int, Any]:
        if any(set(each["fields"]) - set(book.fields) for each in people):
            return 422, {"error": "unknown field"}
        if any(word in map(str, each["fields"].values()) for each in people for word in self.refused_words):
            return 422, {"error": "a value is refused"}
        results: list[dict[str, Any]] = []
        for each in people:
            match, their_id = each["match"], each["id"]
            same = [one for one, known in book.people.items() if known.fields.get("f_mail") == match]
            if their_id is not None and their_id not in book.people:
                results.append({"refused": "gone"})
                continue
            is_new = their_id is None and not same
            their_id = their_id or (same[0] if same else f"p{self._revision + 1:05d}")
            self.creations[match] += is_new
            self.writes[match] += 1
            self._put(book, their_id, each["fields"])
            results.append({"id": their_id, "new": is_new})
        return 200, {"results": results}

    def _put(self, book: Book, their_id: str, fields: dict[str, Any]) -> None:
        self._revision += 1
        before = book.people[their_id].fields if their_id in book.people else {}
        kept = {name: value for name, value in {**before, **fields}.items() if value is not None}
        book.people[their_id] = LedgerPerson(kept, self._revision, self._now().isoformat())

    def _shown(self, book: Book, their_id: str) -> dict[str, Any]:
        person = book.people[their_id]
        fields = {name: value for name, value in person.fields.items() if name in book.fields}
        return {"id": their_id, "fields": fields, "changed_at": person.changed_at}

    def _oauth(self, incoming: Incoming) -> tuple[int, Any]:
        form = dict(parse_qsl(incoming.body.decode()))
        if incoming.path == "/revoke":
            with self._lock:
                self.revoked.append(form["token"])
                self.access.clear()
                self.refresh_tokens.clear()
            return 200, {}
        if form.get("grant_type") == "authorization_code":
            return self._exchange(form)
        token = form["refresh_token"]
        with self._lock:
            self.refreshes.append(token)
            if token not in self.refresh_tokens:
                return 400, {"error": "invalid_grant"}
            issued = self._issue(token)
        time.sleep(self.refresh_seconds)
        return 200, issued

    def _exchange(self, form: dict[str, str]) -> tuple[int, Any]:
        digest = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        with self._lock:
            if self.codes.pop(form["code"], None) != digest:
                return 400, {"error": "invalid_grant"}
            return 200, self._issue(None)

    def _issue(self, used: str | None) -> dict[str, Any]:
        self._issued += 1
        access = f"access-{self._issued}"
        if self.kills:
            self.access.clear()
        self.access.add(access)
        issued: dict[str, Any] = {"access_token": access, "expires_in": self.lifetime, "token_type": "Bearer"}
        if used is None or self.rotates:
            self.refresh_tokens.discard(used or "")
            issued["refresh_token"] = f"refresh-{self._issued}"
            self.refresh_tokens.add(issued["refresh_token"])
        return issued


def _json(status: int, body: Any) -> Outgoing:
    return Outgoing(status, {"Content-Type": "application/json"}, json.dumps(body).encode())
