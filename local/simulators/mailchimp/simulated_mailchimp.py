"""The simulated Mailchimp account: its API, and what people do there."""

from __future__ import annotations

import secrets
from typing import Any

from local.simulators.clock import MovableClock
from local.simulators.fault_queue import FaultQueue
from local.simulators.mailchimp.api import hooks, oauth
from local.simulators.mailchimp.faults import MailchimpFault
from local.simulators.mailchimp.gate import MailchimpGate
from local.simulators.mailchimp.state import (
    MailchimpState,
    SimulatedAudience,
    SimulatedMember,
    SimulatedMergeField,
    new_id,
)
from local.simulators.switches import CountedCalls

FIELDS = {"FNAME": "First Name", "LNAME": "Last Name", "TITLE": "Title", "COMPANY": "Company"}


class SimulatedMailchimp(CountedCalls):
    """One account; `gate` is what its callers meet."""

    def __init__(self, clock: MovableClock | None = None) -> None:
        self.state = MailchimpState(clock or MovableClock())
        self.faults: FaultQueue[MailchimpFault] = FaultQueue()
        self.gate = MailchimpGate(self.state, self.faults)

    # --- setting up -----------------------------------------------------------------------------------------------

    def audience(self, name: str = "People", fields: dict[str, str] | None = None) -> SimulatedAudience:
        """`fields`: merge tag -> type; four texts where none are given."""
        wanted = fields or dict.fromkeys(FIELDS, "text")
        merges = [
            SimulatedMergeField(number + 1, tag, FIELDS.get(tag, tag.title()), kind)
            for number, (tag, kind) in enumerate(wanted.items())
        ]
        made = SimulatedAudience(new_id(), name, merges)
        self.state.audiences[made.id] = made
        return made

    def key(self) -> str:
        """An API key."""
        made = f"{secrets.token_hex(16)}-{self.state.center}"
        self.state.keys.add(made)
        return made

    def token(self) -> str:
        """Of an app that a person has let in."""
        return oauth.issue(self.state)

    def client(self, redirect_uri: str, client_id: str, secret: str) -> None:
        """An app that is registered."""
        self.state.clients[client_id] = (secret, redirect_uri)

    # --- what people do there -------------------------------------------------------------------------------------

    def add(
        self, audience: SimulatedAudience, address: str, status: str = "subscribed", **merges: Any
    ) -> SimulatedMember:
        with self.state.lock:
            made = SimulatedMember(new_id(), address, status, self.state.now(), dict(merges))
            audience.members[made.contact_id] = made
            audience.forgotten.discard(made.id)
        self.report(audience, "subscribe", hooks.data_of(audience, made))
        return made

    def edit(self, audience: SimulatedAudience, member: SimulatedMember, **merges: Any) -> None:
        with self.state.lock:
            member.merges.update({tag: "" if value is None else value for tag, value in merges.items()})
            member.changed = self.state.now()
        self.report(audience, "profile", hooks.data_of(audience, member))

    def move(self, audience: SimulatedAudience, member: SimulatedMember, address: str) -> None:
        """To another address."""
        with self.state.lock:
            before, member.address, member.changed = member.address, address, self.state.now()
        data = {"new_id": member.id[:10], "new_email": address, "old_email": before, "list_id": audience.id}
        self.report(audience, "upemail", data)

    def unsubscribe(self, audience: SimulatedAudience, member: SimulatedMember, reason: str = "manual") -> None:
        self._leave(member, "unsubscribed", reason)
        data = hooks.data_of(audience, member, action="unsub", reason=reason, campaign_id="cb398d21d2")
        self.report(audience, "unsubscribe", data)

    def clean(self, audience: SimulatedAudience, member: SimulatedMember, reason: str = "hard") -> None:
        self._leave(member, "cleaned", None)
        data = {"list_id": audience.id, "campaign_id": "cb398d21d2", "reason": reason, "email": member.address}
        self.report(audience, "cleaned", data)

    def resubscribe(self, audience: SimulatedAudience, member: SimulatedMember) -> None:
        """By a form that the person fills in."""
        with self.state.lock:
            member.status, member.in_compliance, member.reason = "subscribed", False, None
            member.changed = self.state.now()
        self.report(audience, "subscribe", hooks.data_of(audience, member))

    def archive(self, audience: SimulatedAudience, member: SimulatedMember) -> None:
        with self.state.lock:
            member.status, member.changed = "archived", self.state.now()
        data = hooks.data_of(audience, member, action="delete", reason="manual")
        self.report(audience, "unsubscribe", data)

    def delete(self, audience: SimulatedAudience, member: SimulatedMember) -> None:
        """For good."""
        with self.state.lock:
            audience.members.pop(member.contact_id, None)
            audience.forgotten.add(member.id)

    def report(self, audience: SimulatedAudience, kind: str, data: dict[str, Any]) -> None:
        hooks.fire(self.state, audience, kind, data, "user")

    def _leave(self, member: SimulatedMember, status: str, reason: str | None) -> None:
        with self.state.lock:
            member.status, member.in_compliance, member.reason = status, True, reason
            member.changed = self.state.now()

    # --- looking and switches -------------------------------------------------------------------------------------

    def fault(self, kind: str, match: str = "/3.0", **details: Any) -> None:
        """Of the next request that `match` is in."""
        self.faults.add(MailchimpFault(match=match, kind=kind, **details))  # type: ignore[arg-type]

    def advance(self, seconds: float) -> None:
        self.state.clock.advance(seconds)
