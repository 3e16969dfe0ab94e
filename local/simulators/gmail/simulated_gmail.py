"""Simulated Gmail accounts without their server: what a test and a person with a mailbox can see and do."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.utils import make_msgid
from typing import Any

from local.simulators.clock import MovableClock
from local.simulators.gmail.api import oauth
from local.simulators.gmail.api.drafts import send_draft
from local.simulators.gmail.http.faults import GmailFault, GmailFaults, GmailQuota
from local.simulators.gmail.http.gate import GmailGate
from local.simulators.gmail.state import GmailAccountState, GoogleClient, GoogleGrant, GoogleState, SimulatedMessage
from local.simulators.gmail.wire import Json
from local.simulators.switches import CountedCalls, HeldRequests

_SWITCHES = frozenset({"expires_in", "replaces_message_ids", "page_size", "denies", "signed_in"})


class SimulatedGmail(CountedCalls, HeldRequests):
    def __init__(self, clock: MovableClock | None, units_per_minute: int | None) -> None:
        self.google = GoogleState(clock or MovableClock())
        self.faults = GmailFaults()
        self.quota = GmailQuota(units_per_minute)
        self.gate = GmailGate(self.google, self.faults, self.quota)

    # --- who is there ---------------------------------------------------------------------------------------------

    def account(self, address: str = "mary@example.org") -> GmailAccountState:
        """Made where it is not there; the first one is signed in."""
        if address not in self.google.accounts:
            self.google.accounts[address] = GmailAccountState(address, self.google.clock)
            self.google.signed_in = self.google.signed_in or address
        return self.google.accounts[address]

    def client(self, *redirect_uris: str) -> GoogleClient:
        """A web application that is registered for OAuth."""
        client_id = f"{secrets.randbits(40)}.apps.googleusercontent.com"
        made = GoogleClient(client_id, f"GOCSPX-{secrets.token_urlsafe(21)}", redirect_uris)
        self.google.clients[made.client_id] = made
        return made

    def redirect_to(self, client_id: str, redirect_uri: str) -> None:
        """One more address that the application may send people back to."""
        self.google.clients[client_id].redirect_uris += (redirect_uri,)

    def consent(self, client_id: str, address: str = "mary@example.org") -> Json:
        """A person says yes to everything; the answer of the token endpoint."""
        self.account(address)
        grant = GoogleGrant(address, client_id, f"1//{secrets.token_urlsafe(40)}")
        self.google.grants.append(grant)
        return oauth.issue(self.google, grant, with_refresh_token=True)

    def expire_access_tokens(self) -> None:
        with self.google.lock:
            for each in self.google.grants:
                each.access = dict.fromkeys(each.access, self.google.clock.now())

    def revoke_grants(self) -> None:
        """The person takes the access away, or seven days of Testing are over."""
        with self.google.lock:
            for each in self.google.grants:
                each.revoked = True

    # --- what comes in, and what a person does --------------------------------------------------------------------

    def deliver(
        self,
        sender: str,
        *,
        to: str = "mary@example.org",
        subject: str = "Hello",
        text: str = "Hello",
        answers: str | None = None,
        labels: tuple[str, ...] = ("INBOX", "UNREAD"),
        headers: Mapping[str, str] | None = None,
        message_id: str | None = None,
        at: datetime | None = None,
    ) -> SimulatedMessage:
        """Mail from somebody else. `answers`: the Message-ID that it is a reply to."""
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = sender, to, subject
        letter["Message-ID"] = message_id or make_msgid(domain="elsewhere.example")
        if answers is not None:
            letter["In-Reply-To"] = letter["References"] = answers
        for name, value in (headers or {}).items():
            letter[name] = value
        letter.set_content(text)
        account, raw = self.account(to), letter.as_bytes()
        with account.lock:
            return account.add(raw, labels, account.thread_of(raw), at)

    def label(self, message: SimulatedMessage, label: str, address: str = "mary@example.org") -> None:
        """A person, or a filter, gives a message one more label."""
        account = self.account(address)
        with account.lock:
            message.labels.append(label)
            account.note("labelAdded", message, [label])

    def new_label(self, name: str, address: str = "mary@example.org") -> str:
        account = self.account(address)
        label_id = f"Label_{len(account.labels)}"
        account.labels[label_id] = name
        return label_id

    def remove_label(self, label_id: str, address: str = "mary@example.org") -> None:
        del self.account(address).labels[label_id]

    def delete_message(self, message: SimulatedMessage, address: str = "mary@example.org") -> None:
        account = self.account(address)
        with account.lock:
            account.remove(message.id)

    def delete_drafts(self, address: str = "mary@example.org") -> None:
        """A person clears their drafts."""
        account = self.account(address)
        with account.lock:
            for draft_id in list(account.drafts):
                account.remove(account.drafts.pop(draft_id))

    def send_drafts_by_hand(self, address: str = "mary@example.org") -> None:
        """A person finds drafts in their mailbox and sends them."""
        account = self.account(address)
        with account.lock:
            for draft_id in list(account.drafts):
                send_draft(self.google, account, draft_id)

    def forget_history(self, address: str = "mary@example.org") -> None:
        """Whatever starts before now is answered 404."""
        account = self.account(address)
        with account.lock:
            account.floor = account.next_history()

    # --- looking --------------------------------------------------------------------------------------------------

    def sent(self, address: str = "mary@example.org") -> list[SimulatedMessage]:
        """Messages that left, the oldest first."""
        account = self.account(address)
        with account.lock:
            return sorted(
                (each for each in account.messages.values() if "SENT" in each.labels), key=lambda m: m.history_id
            )

    # --- switches -------------------------------------------------------------------------------------------------

    def fault(self, kind: str, match: str = "/gmail/v1/", **details: Any) -> None:
        """Of the next request that `match` is in; `times` and so on as in GmailFault."""
        self.faults.add(GmailFault(match=match, kind=kind, **details))  # type: ignore[arg-type]

    def advance(self, seconds: float) -> None:
        self.google.clock.advance(seconds)

    def switch(self, **wanted: Any) -> None:
        """Only what is named changes: units_per_minute (None: no limit), expires_in, page_size, denies, signed_in,
        replaces_message_ids.
        """
        if "units_per_minute" in wanted:
            self.quota.per_minute = wanted.pop("units_per_minute")
        for name, value in wanted.items():
            if name not in _SWITCHES:
                raise ValueError(f"no such switch: {name}")
            setattr(self.google, name, value)
