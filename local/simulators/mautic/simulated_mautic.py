"""A simulated Mautic without its server: what a test, an admin and a person can see and do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from local.simulators.mautic.contact_fields import SYNC_FIELDS
from local.simulators.mautic.contacts import segments
from local.simulators.mautic.contacts import single as contact_calls
from local.simulators.mautic.contacts.fields import create_field
from local.simulators.mautic.http.faults import Faults, MauticFault
from local.simulators.mautic.http.gate import MauticExchange, MauticGate
from local.simulators.mautic.http.oauth import OAuth
from local.simulators.mautic.mail import emails, tracking
from local.simulators.mautic.state import (
    Event,
    MauticData,
    SimulatedContact,
    SimulatedEmail,
    SimulatedHit,
    SimulatedHook,
    SimulatedSegment,
    SimulatedSending,
    utc_now,
)
from local.simulators.mautic.webhooks import hooks


class SimulatedMautic:
    """`prepared` has the ten custom fields of our field map; otherwise Mautic is as installed."""

    def __init__(
        self,
        client_id: str = "crm-relay",
        client_secret: str = "simulator-secret",  # noqa: S107 - it protects nothing
        *,
        prepared: bool = True,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.mautic = MauticData(now)
        self.oauth = OAuth(client_id, client_secret, now)
        self.faults = Faults()
        self.gate = MauticGate(self.mautic, self.oauth, self.faults)
        self.webhooks = hooks.MauticWebhooks(self.mautic)
        self.mautic.publish = self._publish
        for wanted in SYNC_FIELDS if prepared else ():
            create_field(self.mautic, wanted)

    def _publish(self, events: list[Event]) -> None:
        self.webhooks.publish(events)

    # --- looking --------------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[MauticExchange]:
        return list(self.gate.requests)

    def count(self, method: str | None = None, path_contains: str | None = None) -> int:
        return sum(
            (method is None or made.method == method) and (path_contains is None or path_contains in made.path)
            for made in self.requests
        )

    def forget_requests(self) -> None:
        self.gate.requests.clear()

    @property
    def contacts(self) -> dict[int, SimulatedContact]:
        return self.mautic.contacts

    def contact_by(self, alias: str, value: Any) -> SimulatedContact | None:
        """The newest contact with this value, as Mautic itself would pick."""
        with self.mautic.lock:
            found = self.mautic.holders(alias, value)
            return self.mautic.contacts[max(found)] if found else None

    def segment_members(self, name: str) -> set[int]:
        wanted = {segment.id for segment in self.mautic.segments.values() if segment.name == name}
        with self.mautic.lock:
            return {contact.id for contact in self.contacts.values() if contact.segments & wanted}

    def mailable(self, contact_id: int) -> bool:
        contact = self.contacts.get(contact_id)
        return contact is not None and emails.mailable(contact)

    # --- switches -------------------------------------------------------------------------------------------------

    def switch(
        self,
        *,
        api_enabled: bool | None = None,
        database_down: bool | None = None,
        rate_limit: int | None = None,
        queue_mode: bool | None = None,
    ) -> None:
        """Only what is named changes; `rate_limit` is calls per hour, 0 is off."""
        wanted: dict[str, int | None] = {"api_enabled": api_enabled, "database_down": database_down}
        wanted |= {"rate_limit": rate_limit, "queue_mode": queue_mode}
        for name, value in wanted.items():
            if value is not None:
                setattr(self.mautic, name, value)
        if rate_limit is not None:
            self.gate.restart_hour()

    def expire_tokens(self) -> None:
        self.oauth.expire_all()

    # --- as an admin ----------------------------------------------------------------------------------------------

    def hook(self, url: str, secret: str, triggers: Iterable[str]) -> SimulatedHook:
        """A published webhook, as if made in the UI just now: it survives failures for two days."""
        wanted = {"name": "CRM Relay", "webhookUrl": url, "secret": secret, "triggers": list(triggers)}
        made = hooks.create(self.mautic, wanted, created_by=1)
        made.modified = self.mautic.now()
        return made

    def process_webhooks(self) -> int:
        """The cron command of queue mode; returns the number of requests sent."""
        return self.webhooks.process_queue()

    def segment(self, name: str, *, published: bool = True) -> SimulatedSegment:
        return segments.create(self.mautic, {"name": name, "isPublished": published})

    def email(self, name: str = "Simulated mail", lists: Iterable[int] = ()) -> SimulatedEmail:
        return emails.create(self.mautic, {"name": name, "lists": list(lists)})

    def delete_contact(self, contact_id: int) -> None:
        contact_calls.erase(self.mautic, contact_calls.known(self.mautic, contact_id))

    def merge_contacts(self, loser: int, winner: int) -> None:
        """The winner keeps its own values and gains what it lacks; the loser is gone."""
        with self.mautic.lock:
            gone, kept = contact_calls.known(self.mautic, loser), contact_calls.known(self.mautic, winner)
            self.mautic.forget(gone)
            for alias, value in gone.fields.items():
                if kept.fields.get(alias) in (None, ""):
                    self.mautic.set_value(kept, alias, value)
            kept.segments |= gone.segments
            kept.suppressions = {**gone.suppressions, **kept.suppressions}
            kept.modified = self.mautic.now()
            # src, not recorded: onLeadMerge of EmailBundle and PageBundle hands the loser's rows to the winner.
            rows: list[SimulatedSending | SimulatedHit] = [*self.mautic.sendings.values(), *self.mautic.hits]
            for row in rows:
                row.contact_id = winner if row.contact_id == loser else row.contact_id
        contact_calls.erase(self.mautic, gone)

    def deduplicate(self) -> int:
        """`mautic:contacts:deduplicate`: merges into the oldest; returns how many were merged away."""
        merged = 0
        for contact in sorted(self.contacts.values(), key=lambda c: c.id):
            for item in self.mautic.unique_fields:
                value = contact.fields.get(item.alias)
                twins = self.mautic.holders(item.alias, value) - {contact.id} if value else set()
                for twin in sorted(number for number in twins if number > contact.id):
                    self.merge_contacts(twin, contact.id)
                    merged += 1
        return merged

    # --- as a person ----------------------------------------------------------------------------------------------

    def send_email(self, email_id: int, contact_id: int) -> str:
        """Returns the tracking hash; the e-mail is made if there is none with this id."""
        while email_id not in self.mautic.emails:
            self.email()
        contact = contact_calls.known(self.mautic, contact_id)
        return emails.send(self.mautic, self.mautic.emails[email_id], contact).hash

    def sending(self, email_id: int, contact_id: int) -> SimulatedSending:
        """The last sending of this e-mail to this contact; sent now if there was none."""
        for found in reversed(list(self.mautic.sendings.values())):
            if (found.email_id, found.contact_id) == (email_id, contact_id):
                return found
        return self.mautic.sendings[self.send_email(email_id, contact_id)]

    def open_email(self, email_id: int, contact_id: int) -> None:
        tracking.open_mail(self.mautic, self.sending(email_id, contact_id))

    def click(self, email_id: int, contact_id: int, url: str = emails.LINK) -> None:
        tracking.click(self.mautic, self.sending(email_id, contact_id), url)

    def unsubscribe(self, email_id: int, contact_id: int) -> None:
        tracking.unsubscribe(self.mautic, self.sending(email_id, contact_id))

    def resubscribe(self, email_id: int, contact_id: int) -> None:
        tracking.resubscribe(self.mautic, self.sending(email_id, contact_id))

    def bounce(self, email_id: int, contact_id: int, comments: str = "550 no such user") -> None:
        tracking.bounce(self.mautic, self.sending(email_id, contact_id), comments)

    def visit_website(self, url: str) -> SimulatedContact:
        return tracking.visit_website(self.mautic, url)

    def fault(self, match: str, kind: str, **details: Any) -> None:
        self.faults.add(MauticFault(match=match, kind=kind, **details))  # type: ignore[arg-type]
