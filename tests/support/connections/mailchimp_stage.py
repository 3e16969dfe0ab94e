"""A simulated audience, and our client on it with a token that a test may change."""

from __future__ import annotations

from typing import Any

from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.connectors.contract import AudienceStream
from crm_relay.providers.mailchimp.connector import MailchimpAccount, MailchimpConnector
from local.simulators.mailchimp import MailchimpSimulator, SimulatedAudience, SimulatedMember
from tests.support.connections.airtable_stage import TestAccess
from tests.support.connections.vendor_specification import RecordingSession

OURS = {"first_name": "FNAME", "last_name": "LNAME", "title": "TITLE", "company_name": "COMPANY"}


class MailchimpPeople:
    """`types`: merge tag -> type, of the audience's fields."""

    def __init__(self, sim: MailchimpSimulator, types: dict[str, str] | None = None, *, timeout: float = 5.0) -> None:
        self.sim = sim
        self.audience: SimulatedAudience = sim.audience(fields=types)
        self.access = TestAccess([sim.key()])
        self.session = RecordingSession()
        self.http = HttpClient(sim.url, timeout=(timeout, timeout), repeats=0, session=self.session)

    def settings(self, **changed: Any) -> dict[str, Any]:
        fields: dict[str, Any] = {"email": {"id": "email"}}
        for ours, tag in OURS.items():
            found = self.audience.field(tag)
            if found is not None:
                fields[ours] = {"id": str(found.merge_id)}
        return {"list_id": self.audience.id, "fields": fields, **changed}

    def account(self, **settings: Any) -> MailchimpAccount:
        return MailchimpConnector().open(self.http, self.access, self.settings(**settings))

    def stream(self, **settings: Any) -> AudienceStream:
        stream = self.account(**settings).streams()[0]
        assert isinstance(stream, AudienceStream)
        return stream

    def add(self, *letters: str, status: str = "subscribed", **merges: Any) -> list[SimulatedMember]:
        return [self.sim.add(self.audience, f"{letter}@x.example", status, **merges) for letter in letters]

    def member(self, letter: str) -> SimulatedMember | None:
        return self.audience.find(f"{letter}@x.example")

    @property
    def sent(self) -> list[str]:
        """Requests so far, without ids."""
        return [
            f"{each.method} {each.path.removeprefix('/3.0').replace(self.audience.id, '{list}')}"
            for each in self.session.recorded
        ]
