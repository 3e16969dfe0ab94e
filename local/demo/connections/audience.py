"""The demo's act about an audience: who leaves it is muted in Mautic, and who leaves here leaves it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import requests

from crm_relay.connections.oauth.ticket import make_ticket
from crm_relay.connections.steer import ConnectionChange, steer
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import parse_queries
from crm_relay.providers.mailchimp.webhook import ROUTE, webhook_token
from local.simulators.mailchimp import MailchimpSimulator, SimulatedAudience

_SQL = parse_queries((Path(__file__).with_name("audience.sql")).read_text(encoding="utf-8"))
_OWNER, _LEAVES_HERE = "nora@example.org", "leaves-here@example.com"
_PATIENCE_SECONDS = 20.0


@dataclass
class AudienceAct:
    """`customer`: an address that is in Mautic; `fire` runs one function's schedule; `hook_key` is of the webhook."""

    mailchimp: MailchimpSimulator
    database: Database
    base_url: str
    hook_key: str
    customer: str
    fire: Callable[[str], object]
    is_muted: Callable[[], bool]
    expect: Callable[[str, object, object], None]
    announce: Callable[[str], None]

    def play(self) -> None:
        """All scenes, in order."""
        self._an_audience_is_connected()
        self._somebody_leaves_there()
        self._somebody_leaves_here()

    @cached_property
    def audience(self) -> SimulatedAudience:
        """The one that the simulator brings."""
        return next(iter(self.mailchimp.state.audiences.values()))

    @cached_property
    def place(self) -> Row:
        """Ids of the workspace and of the owner of its contacts."""
        addresses = [self.customer, _LEAVES_HERE]
        return self.database.run(_SQL["insert_people"], owner=_OWNER, addresses=addresses)[0]

    @property
    def connection(self) -> Row:
        """As it is now."""
        return self.database.run(_SQL["connection"], workspace=self.place["workspace"])[0]

    def _an_audience_is_connected(self) -> None:
        self.announce("a workspace connects an audience of Mailchimp")
        first_name = self.audience.field("FNAME")
        merge_id = "" if first_name is None else str(first_name.merge_id)
        ticket = make_ticket(
            self.database,
            provider="mailchimp",
            workspace=self.place["workspace"],
            started_by=_OWNER,
            now=utc_now(),
            settings={
                "list_id": self.audience.id,
                "fields": {"email": {"id": "email"}, "first_name": {"id": merge_id}},
                "contacts": {"owner": str(self.place["owner"])},
            },
        )
        start = f"{self.base_url}/oauth/mailchimp/start"
        status = requests.Session().get(start, params={"ticket": ticket}, timeout=30).status_code
        self.expect("the browser comes back to a page with status", 200, status)
        self.fire("integration_sync")
        self._steer(ConnectionChange.CONFIRM)
        self.fire("integration_sync")
        statuses = sorted(each.status for each in self.audience.members.values())
        self.expect("members after the first sync", ["subscribed", "subscribed"], statuses)
        self.expect("Mailchimp takes the address of the webhook", 200, self._hook())

    def _somebody_leaves_there(self) -> None:
        self.announce("somebody unsubscribes in Mailchimp")
        member = self.audience.find(self.customer)
        if member is None:
            raise AssertionError("the customer is no member")
        self.expect("muted in Mautic before", False, self.is_muted())
        self.mailchimp.unsubscribe(self.audience, member)
        self.expect("opt-outs of theirs that the webhook brought", 1, self._departures())
        self.fire("mautic_sync")
        self.expect("muted in Mautic after its next sync", True, self.is_muted())
        self._sync()
        self.expect("their status in Mailchimp stays", "unsubscribed", member.status)

    def _somebody_leaves_here(self) -> None:
        self.announce("somebody else opts out here")
        self.database.run(_SQL["opt_out"], address=_LEAVES_HERE)
        self._sync()
        member = self.audience.find(_LEAVES_HERE)
        self.expect("their status in Mailchimp", "unsubscribed", None if member is None else member.status)
        for _ in range(2):
            self.mailchimp.advance(300)
            self._sync()
        before = self.mailchimp.calls
        self._sync()
        self.expect("requests to Mailchimp when nothing changed", 1, self.mailchimp.calls - before)

    def _hook(self) -> int:
        """As `crm-relay connection hook` makes it."""
        url = f"{self.base_url}{ROUTE}{webhook_token(self.connection['id'], [self.hook_key])}"
        body = {"url": url, "events": {"unsubscribe": True, "cleaned": True}, "sources": {"user": True, "admin": True}}
        login = {"Authorization": f"Bearer {self.mailchimp.key()}"}
        address = f"{self.mailchimp.url}/3.0/lists/{self.audience.id}/webhooks"
        return requests.post(address, json=body, headers=login, timeout=30).status_code

    def _departures(self) -> int:
        """Mailchimp waits for nobody when it reports, so this waits for it."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            found = int(self.database.run(_SQL["departures"], address=self.customer)[0]["n"])
            if found or time.monotonic() > until:
                return found
            time.sleep(0.05)

    def _sync(self) -> None:
        self._steer(ConnectionChange.SYNC)
        self.fire("integration_sync")

    def _steer(self, change: ConnectionChange) -> None:
        steer(self.database, self.connection["id"], change, _OWNER, utc_now())
