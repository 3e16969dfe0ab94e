"""The main job on one laptop, from customers in Postgres to clicks coming back, with what was expected beside it."""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from rich.console import Console

from crm_relay.edge_cache.dynamo.dynamo_table import DynamoTable
from crm_relay.platform.database import Database
from crm_relay.platform.sql import parse_queries
from local.demo.agreement import disagreements
from local.demo.campaigns import CampaignAct
from local.demo.connections.act import ConnectionAct
from local.demo.connections.audience import AudienceAct
from local.demo.connections.mailbox import MailboxAct
from local.demo.edge.act import EdgeAct
from local.demo.notifications import NotificationAct
from local.demo.outreach import DemoOutreach
from local.demo.sample_data import insert_customers
from local.demo.story import Story
from local.demo.workflows.act import WorkflowAct
from local.serve import stay
from local.simulated import OPERATORS
from local.simulators.mautic import MauticSimulator
from local.stack import Stack
from local.stack_file import ROOT, STACK_FILE
from local.stack_folder import one_at_a_time
from local.until_signal import Stopped, stopped_by_signal

_SQL = parse_queries((Path(__file__).with_name("round.sql")).read_text(encoding="utf-8"))
LOG = STACK_FILE.with_name("demo.log")
_STOPPED = 128 + signal.SIGINT
_EDITED, _OPTED_OUT, _DELETED = 300, 20, 5
_OPENS, _CLICKS, _UNSUBSCRIBES, _LOST_IN_MAUTIC = 40, 15, 10, 3


@dataclass
class Demo:
    """One go through the product's main job."""

    stack: Stack
    mautic: MauticSimulator
    database: Database
    announce: Callable[[str], None]
    expect: Callable[[str, object, object], None]

    def play(self, customers: int) -> None:
        """All acts, in order."""
        self._first_round(customers)
        self._nothing_changed()
        self._recorded_webhooks()
        self._people_react()
        self._business_goes_on()
        self._outreach()
        self._campaigns()
        self._notifications()
        self._workflows()
        self._connections()
        self._mailbox()
        self._audience()
        self._edge()

    def _first_round(self, customers: int) -> None:
        self.announce(f"{customers} customers, with the mess of real life")
        insert_customers(self.database, customers)
        self.expect("customers in Postgres", customers, self._one("customers"))
        self.announce("one round of every schedule: customers and segments go to Mautic")
        answer = self._round()
        self.expect("contacts created in Mautic", self._one("sendable"), len(self.mautic.contacts))
        self.expect("customers refused, each with a reason", self._one("unsendable"), answer["contacts_failed"])
        self.expect("segments in Mautic", 4, answer["segments_synced"])
        self.expect("opted-out contacts that are mailable", 0, self._mailable_opt_outs())
        self.expect("differences between Postgres and Mautic", 0, len(self._differences()))

    def _nothing_changed(self) -> None:
        self.announce("another round: nothing changed")
        self.mautic.forget_requests()
        self._round()
        # The hourly look after the webhook is no part of the sync.
        made = [each for each in self.mautic.requests if "/api/hooks" not in each.path and "oauth" not in each.path]
        self.expect("requests to Mautic when nothing changed", 0, len(made))

    def _recorded_webhooks(self) -> None:
        self.announce("recorded webhooks of a real Mautic, over HTTP")
        for name, word in (("email_open", "an open"), ("unsubscribe", "an unsubscribe")):
            event = json.loads((ROOT / "events" / "mautic_webhook" / f"{name}.json").read_text(encoding="utf-8"))
            answers = [self._post(event["headers"], event["body"]) for _ in range(2)]
            self.expect(f"{word}: events applied", 1, answers[0].json().get("events_processed"))
            self.expect(f"{word} delivered twice: duplicates", 1, answers[1].json().get("duplicates"))
            self.expect(f"{word}, tampered with", 401, self._post(event["headers"], event["body"] + " ").status_code)

    def _people_react(self) -> None:
        self.announce("people open, click and unsubscribe; an administrator deletes contacts")
        before = {kind: self._one("events", kind=kind) for kind in ("open", "click", "unsubscribe")}
        contacts = [each for each in sorted(self.mautic.contacts) if self.mautic.mailable(each)]
        for contact_id in contacts[:_OPENS]:
            self.mautic.open_email(1, contact_id)
        for contact_id in contacts[_OPENS : _OPENS + _CLICKS]:
            self.mautic.click(1, contact_id)
        leaving = contacts[-_UNSUBSCRIBES:]
        for contact_id in leaving:
            self.mautic.unsubscribe(1, contact_id)
        for contact_id in contacts[100 : 100 + _LOST_IN_MAUTIC]:
            self.mautic.delete_contact(contact_id)
        # Clicking a mail that was not opened yet opens it, as in Mautic.
        for kind, count in (("open", _OPENS + _CLICKS), ("click", _CLICKS), ("unsubscribe", _UNSUBSCRIBES)):
            self.expect(f"{kind}s that came back", count, self._one("events", kind=kind) - before[kind])
        self.expect("unsubscribed customers here", len(leaving), self._one("opted_out", contacts=leaving))

    def _business_goes_on(self) -> None:
        self.announce(f"{_EDITED} customers are edited, {_OPTED_OUT} opt out, {_DELETED} are deleted; another round")
        self.database.run(_SQL["edit"], count=_EDITED)
        self.database.run(_SQL["opt_out"], count=_OPTED_OUT)
        self.database.run(_SQL["delete"], count=_DELETED)
        answer = self._round()
        self.expect("contacts deleted there and made again", _LOST_IN_MAUTIC, answer["contacts_created"])
        self.expect("contacts of deleted customers muted", _DELETED, answer["contacts_removed"])
        self.expect("opted-out contacts that are mailable", 0, self._mailable_opt_outs())
        self.expect("differences between Postgres and Mautic", 0, len(self._differences()))

    def _outreach(self) -> None:
        simulated, fire = self.stack.simulated, self.stack.scheduler.run_round
        if simulated.bison is None or simulated.slack is None:
            raise AssertionError("the demo always brings its own EmailBison and Slack")
        DemoOutreach(
            simulated.bison,
            simulated.slack,
            self.database,
            self.stack.edge.base_url,
            poll=lambda: fire("bison_poll"),
            report=lambda: fire("provider_report"),
            expect=self.expect,
            announce=self.announce,
        ).play()
        self.expect("deliveries not applied", 0, self._one("unapplied"))

    def _campaigns(self) -> None:
        resend, fire = self.stack.simulated.resend, self.stack.scheduler.run_round
        if resend is None:
            raise AssertionError("the demo always brings its own Resend")
        contact = next(each for each in sorted(self.mautic.contacts) if self.mautic.mailable(each))
        CampaignAct(
            resend,
            self.database,
            self.stack.edge.base_url,
            customer=str(self.mautic.contacts[contact].fields["email"]),
            sync=lambda: fire("mautic_sync"),
            is_muted=lambda: not self.mautic.mailable(contact),
            expect=self.expect,
            announce=self.announce,
        ).play()

    def _notifications(self) -> None:
        resend = self.stack.simulated.resend
        if resend is None:
            raise AssertionError("the demo always brings its own Resend")
        NotificationAct(resend, self.database, self.stack.edge.base_url, self.expect, self.announce).play()

    def _workflows(self) -> None:
        resend, receiver = self.stack.simulated.resend, self.stack.simulated.receiver
        if resend is None or receiver is None:
            raise AssertionError("the demo always brings its own Resend and a receiver of webhooks")
        fire = self.stack.scheduler.run_round
        WorkflowAct(
            resend,
            receiver,
            self.stack.edge.base_url,
            self.database,
            lambda: fire("workflow_cron")[0].answer,
            self.expect,
            self.announce,
        ).play()

    def _connections(self) -> None:
        airtable, fire = self.stack.simulated.airtable, self.stack.scheduler.run_round
        if airtable is None:
            raise AssertionError("the demo always brings its own Airtable")
        base_url = self.stack.edge.base_url
        ConnectionAct(
            airtable, self.database, base_url, lambda: fire("integration_sync"), self.expect, self.announce
        ).play()

    def _mailbox(self) -> None:
        gmail, fire = self.stack.simulated.gmail, self.stack.scheduler.run_round
        if gmail is None:
            raise AssertionError("the demo always brings its own Gmail")
        MailboxAct(gmail, self.database, self.stack.edge.base_url, fire, self.expect, self.announce).play()

    def _audience(self) -> None:
        mailchimp = self.stack.simulated.mailchimp
        if mailchimp is None:
            raise AssertionError("the demo always brings its own Mailchimp")
        contact = next(each for each in sorted(self.mautic.contacts) if self.mautic.mailable(each))
        AudienceAct(
            mailchimp,
            self.database,
            self.stack.edge.base_url,
            self.stack.environment["MAILCHIMP_WEBHOOK_KEY"],
            customer=str(self.mautic.contacts[contact].fields["email"]),
            fire=self.stack.scheduler.run_round,
            is_muted=lambda: not self.mautic.mailable(contact),
            expect=self.expect,
            announce=self.announce,
        ).play()

    def _edge(self) -> None:
        fire = self.stack.scheduler.run_round
        table = DynamoTable(self.stack.environment["EDGE_CACHE_TABLE"])
        sync, check = (lambda: fire("cache_sync")), (lambda: fire("integrity_check"))
        EdgeAct(self.database, table, sync, check, self.expect, self.announce).play()

    def _round(self) -> Mapping[str, Any]:
        """Every schedule once and the queues emptied; the first answer of mautic_sync."""
        firings = self.stack.scheduler.run_round()
        self.stack.queues.drain()
        answer: Mapping[str, Any] = next(each.answer for each in firings if each.function == "mautic_sync")
        return answer

    def _post(self, headers: Mapping[str, str], body: str) -> requests.Response:
        url = f"{self.stack.edge.base_url}/webhooks/mautic"
        kept = {name: value for name, value in headers.items() if name in {"content-type", "webhook-signature"}}
        return requests.post(url, data=body.encode(), headers=kept, timeout=30)

    def _one(self, query: str, **values: Any) -> int:
        return int(self.database.run(_SQL[query], **values)[0]["n"])

    def _mailable_opt_outs(self) -> int:
        muted = {str(row["customer_id"]) for row in self.database.run(_SQL["muted"])}
        carriers = ((each.id, str(each.fields.get("supabase_id"))) for each in self.mautic.contacts.values())
        return sum(who in muted and self.mautic.mailable(contact_id) for contact_id, who in carriers)

    def _differences(self) -> list[str]:
        return disagreements(self.database, self.mautic)


def run_demo(settings: Mapping[str, str], *, customers: int, once: bool, as_json: bool, whole: bool = False) -> int:
    """Play the demo and print how it went; 1 if an expectation failed. Without `once` the stack stays up after it."""
    console = Console(stderr=as_json)
    local_only = {name: value for name, value in settings.items() if not name.startswith(OPERATORS)}
    story = Story(console)
    try:
        # One that ends by itself writes no file that says where it is, and may run beside another stack.
        with stopped_by_signal(), nullcontext() if once else one_at_a_time(STACK_FILE):
            story.announce("a PostgreSQL, a local AWS and simulated providers start")
            with Stack(local_only, log=LOG) as stack:
                good = _play(stack, story, customers, as_json=as_json, whole=whole)
                if not once:
                    stay(stack)
    except Stopped:
        console.print("\nstopped", highlight=False)
        sys.stdout.flush()
        # Threads of functions that still run would keep the process for as long as they take.
        os._exit(_STOPPED)
    return 0 if good else 1


def _play(stack: Stack, story: Story, customers: int, *, as_json: bool, whole: bool) -> bool:
    mautic = stack.simulated.mautic
    if mautic is None:
        raise AssertionError("the demo always brings its own Mautic")
    database = Database(stack.database_url, timeout=60.0)
    Demo(stack, mautic, database, story.announce, story.expect).play(customers)
    return story.finish(as_json=as_json, whole=whole)
