"""The demo's act about campaigns: thirteen people, three steps, and a clock that runs fast."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parseaddr
from functools import cached_property
from pathlib import Path
from uuid import UUID

import requests

from crm_relay.campaigns.engine.run_due_steps import EngineContext, EngineReport, run_due_steps
from crm_relay.campaigns.lifecycle.change_campaign import activate, create, enroll
from crm_relay.mail.feedback.read_inbound import read_inbound
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import parse_queries
from crm_relay.providers.resend.client import Resend
from local.simulators.resend import ResendSimulator
from local.simulators.resend.webhooks.events import SCANNER

_SQL = parse_queries((Path(__file__).with_name("campaigns.sql")).read_text(encoding="utf-8"))
_CAMPAIGN = json.loads((Path(__file__).with_name("campaign.json")).read_text(encoding="utf-8"))
_STAYING, _LEAVING = 10, ("replies", "unsubscribes", "bounces")
_PATIENCE_SECONDS = 20.0


@dataclass
class CampaignAct:
    """`customer`: the address of one that Mautic may write to; `sync` fires mautic_sync, `is_muted` looks there."""

    resend: ResendSimulator
    database: Database
    base_url: str
    customer: str
    sync: Callable[[], object]
    is_muted: Callable[[], bool]
    expect: Callable[[str, object, object], None]
    announce: Callable[[str], None]
    now: datetime = field(default_factory=utc_now)

    def play(self) -> None:
        """All scenes, in order."""
        self._begin()
        self._first_step()
        self._people_react()
        self._to_the_end()

    @cached_property
    def campaign_id(self) -> UUID:
        """A draft of the file beside this one."""
        return create(self.database, _CAMPAIGN, self.now).id

    @property
    def addresses(self) -> list[str]:
        """Who leaves on the way first; the one who unsubscribes is a customer in Mautic too."""
        staying = [f"staying{number}@example.com" for number in range(_STAYING)]
        return ["replies@example.com", self.customer, "bounces@example.com", *staying]

    def _begin(self) -> None:
        people = _STAYING + len(_LEAVING)
        self.announce(f"a campaign of three steps for {people} people, in business hours, under a clock that runs fast")
        self.database.run(_SQL["postal_address"])
        ids = [row["id"] for row in self.database.run(_SQL["contacts"], addresses=self.addresses)]
        self.expect("people enrolled", people, enroll(self.database, self.campaign_id, self.now, contacts=ids).enrolled)
        activate(self.database, self.campaign_id, self.now)

    def _first_step(self) -> None:
        self._wait_for_the_next_step()
        done = self._run()
        self.expect(
            "first e-mails, and requests for them", (len(self.addresses), 1), (done.mail.sent, done.mail.requests)
        )
        self.expect("the same minute once more: e-mails", 0, self._run().mail.sent)

    def _people_react(self) -> None:
        self.announce(
            "people open and click, a scanner opens everything; one replies, one unsubscribes, one address is gone"
        )
        replying, leaving, gone, reader, clicker, scanned = (self.resend.mail_to(each) for each in self.addresses[:6])
        for mail in (reader, clicker, scanned):
            self.resend.delivered(mail)
        self.resend.clicked(scanned, user_agent=SCANNER)
        self.resend.advance(60)
        self.resend.opened(reader)
        self.resend.clicked(clicker)
        self.resend.bounced(gone)
        self.resend.reply(replying)
        link = re.search(r"<(https?://[^>]+)>", leaving.payload["headers"]["List-Unsubscribe"])
        if link is None:
            raise AssertionError("a mail without a way out")
        self.expect(
            "a look at the unsubscribe page: opt-outs", 0, self._opt_outs_after(requests.get(link[1], timeout=30))
        )
        one_click = requests.post(link[1], data={"List-Unsubscribe": "One-Click"}, timeout=30)
        self.expect("one click on unsubscribe: opt-outs", 1, self._opt_outs_after(one_click))
        self._wait_until_delivered()
        self._run()
        for status in ("replied", "unsubscribed", "bounced"):
            self.expect(f"sequences that ended: {status}", 1, self._one("people", status=status))
        self.expect(
            "a person opened, a person clicked, a scanner did not count", (1, 1), (self._scored(10), self._scored(25))
        )
        self.sync()
        self.expect("anyone who unsubscribed is muted in Mautic too", True, self.is_muted())

    def _to_the_end(self) -> None:
        self.announce("days pass, weekends are waited for")
        while self._wait_for_the_next_step():
            self._run()
        self.expect("people through all three steps", _STAYING, self._one("through"))
        self.expect("sequences completed", _STAYING, self._one("people", status="completed"))
        self.expect("LinkedIn tasks", _STAYING, self._one("tasks"))
        twice = [address for address in self.addresses if self.resend.sends[address] > 2]
        after_leaving = [address for address in self.addresses[:3] if self.resend.sends[address] > 1]
        self.expect("people with a mail twice, or after they had left", 0, len(twice) + len(after_leaving))
        self.expect("steps due outside business hours", 0, self._one("outside"))
        self.expect("steps whose accounting does not hold", 0, self._one("unaccounted"))

    def _run(self) -> EngineReport:
        """What campaign_cron does, at the demo's own time."""
        resend = Resend(HttpClient(self.resend.url, timeout=(5.0, 20.0)), self.resend.api_key)
        context = EngineContext(resend, SendPolicy(Mode.LIVE), self.base_url)
        deadline = Deadline.after(120)
        read_inbound(self.database, resend, clock=lambda: self.now, deadline=deadline)
        return run_due_steps(self.database, context, lambda: self.now, deadline)

    def _wait_for_the_next_step(self) -> bool:
        """Whether there is one; the demo's time is then a little past it."""
        due = self.database.run(_SQL["next_due"], campaign_id=self.campaign_id)[0]["at"]
        if due is None:
            return False
        self.now = max(self.now, due) + timedelta(seconds=20)
        return True

    def _wait_until_delivered(self) -> None:
        patience = time.monotonic() + _PATIENCE_SECONDS
        while self.resend.pending and time.monotonic() < patience:
            time.sleep(0.05)

    def _opt_outs_after(self, _answer: requests.Response) -> int:
        return int(
            self.database.run(_SQL["ledger"], kind="opt_out", address=parseaddr(self.customer)[1].lower())[0]["n"]
        )

    def _scored(self, score: int) -> int:
        return self._one("engagement", score=score)

    def _one(self, query: str, **values: str | int) -> int:
        return int(self.database.run(_SQL[query], campaign_id=self.campaign_id, **values)[0]["n"])
