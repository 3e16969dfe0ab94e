"""The demo's act about cold outreach: three workspaces of an EmailBison, from a sent e-mail to an alert in Slack."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from crm_relay.platform.database import Database
from crm_relay.platform.sql import parse_queries
from local.simulated import WORKSPACES
from local.simulators.bison import BisonSimulator, EventOptions, SimulatedAccount, SimulatedWorkspace
from local.simulators.slack import SlackSimulator

_SQL = parse_queries((Path(__file__).with_name("outreach.sql")).read_text(encoding="utf-8"))
_EMAILS, _MORE_EMAILS, _REPLIES, _INTERESTED, _BOUNCES, _UNSUBSCRIBED = 8, 4, 3, 2, 1, 1
"""In the first workspace; each further one sends `_MORE_EMAILS` more."""

_COUNTERS = ("sent", "replies", "interested", "bounced", "unsubscribed")


@dataclass
class DemoOutreach:
    """`poll` and `report` fire the schedules of those functions; `expect` writes a line of the summary."""

    bison: BisonSimulator
    slack: SlackSimulator
    database: Database
    base_url: str
    poll: Callable[[], object]
    report: Callable[[], object]
    expect: Callable[[str, object, object], None]
    announce: Callable[[str], None]

    def play(self) -> None:
        """All scenes, in order."""
        self._workspaces()
        self._mail()
        self._again_and_odd()
        self._accounts()
        self._report()

    def _workspaces(self) -> None:
        self.announce("three workspaces of an EmailBison: their accounts were read with the first round")
        known = {each.name: each.id for each in self._all()}
        rows = self.database.run(_SQL["workspaces"])
        self.expect("workspaces and their numbers", known, {row["name"]: row["number"] for row in rows})
        accounts = len(self.bison.bison.accounts)
        self.expect("sender accounts, read in the last five minutes", accounts, self._one("fresh_accounts"))

    def _mail(self) -> None:
        self.announce("e-mails are sent, answered, bounce; people are interested, or want no more")
        for number, workspace in enumerate(self._all()):
            self._mail_in(self.bison.accounts_of(workspace), _EMAILS + number * _MORE_EMAILS)
        self._counters(f": {', '.join(_COUNTERS)}")
        each = len(WORKSPACES)
        self.expect("interested leads", _INTERESTED * each, self._one("leads"))
        self.expect(
            "replies in the inboxes, untracked ones too", (_REPLIES + _INTERESTED + 1) * each, self._one("replies")
        )
        self.expect(
            "unsubscribes and permanent bounces in the ledger", (_UNSUBSCRIBED + _BOUNCES) * each, self._one("opt_outs")
        )

    def _mail_in(self, accounts: list[SimulatedAccount], emails: int) -> None:
        """Every way in which a delivery may be wrapped."""
        kinds = [
            EventOptions(envelope="data"),
            EventOptions(envelope="payload", case="lower"),
            EventOptions(envelope="flat"),
            EventOptions(),
        ]
        sent = [
            self.bison.send_email(accounts[each % len(accounts)], options=kinds[each % len(kinds)])
            for each in range(emails)
        ]
        for each in sent[:_REPLIES]:
            self.bison.reply(each, options=EventOptions(envelope="data_payload"))
        for each in sent[_REPLIES:][:_INTERESTED]:
            self.bison.interested(each, options=EventOptions(instance_url=False))
        self.bison.bounce(sent[-1])
        self.bison.unsubscribe(sent[-2])
        self.bison.untracked_reply(accounts[0])

    def _again_and_odd(self) -> None:
        self.announce("every delivery comes again, one is of an unknown type, one has a strange token")
        for delivery in self.bison.deliveries:
            self.bison.redeliver(delivery, reserialised=delivery.id % 2 == 0)
        self._counters(", after everything came twice")
        self.bison.unknown_event(self._all()[0])
        answered = [each.status for each in self.bison.deliveries]
        self.expect("webhooks answered otherwise than 200", 0, sum(status != 200 for status in answered))
        strange = requests.post(f"{self.base_url}/webhooks/bison/a-token-of-nobodys", json={"event": {}}, timeout=30)
        self.expect("a webhook with a strange token", 401, strange.status_code)
        self.expect("median of a webhook's processing, in ms", "at most 100", self._one("milliseconds"))

    def _accounts(self) -> None:
        self.announce("accounts come, go and lose their connection: one alert, once a second look confirmed it")
        first = self._all()[0]
        lost, healed, gone, *_ = self.bison.accounts_of(first)
        self.bison.add_account(first)
        self.bison.delete_account(gone)
        self.bison.disconnect(lost)
        self.bison.disconnect(healed, healed=True)
        before = self._alerts_about("disconnected")
        self.poll()
        self.poll()
        self.expect("messages in Slack of the lost account", 1, self._alerts_about("disconnected") - before)
        self.expect("messages in Slack of the unknown type", 1, self._alerts_about("of an unknown type"))
        connected = sum(account.connected for account in self.bison.bison.accounts.values())
        self.expect("connected accounts", connected, self._one("connected_accounts"))
        self.bison.reconnect(lost, options=EventOptions(silent=True))
        self.poll()
        self.expect(
            "disconnected accounts once it is back", 0, self._one("open_incidents", kind="account_disconnected")
        )

    def _report(self) -> None:
        self.report()
        providers = {
            (account.workspace_id, tag.name)
            for account in self.bison.bison.accounts.values()
            for tag in account.tags
            if tag.name in {"Gmail", "Outlook"}
        }
        self.expect("providers' figures of the day", len(providers), self._one("provider_rows"))
        self.expect("counters that differ from their log", 0, self._one("open_incidents", kind="metric_drift"))
        self.expect("workspaces whose webhooks are not well", 0, self._one("unhealthy"))

    def _counters(self, what: str) -> None:
        """EmailBison's own totals of each workspace beside ours."""
        rows = {row["name"]: row for row in self.database.run(_SQL["counted"])}
        for workspace in self._all():
            found = ", ".join(str(rows.get(workspace.name, {}).get(name)) for name in _COUNTERS)
            self.expect(f"{workspace.name}{what}", self._totals(workspace), found)

    def _totals(self, workspace: SimulatedWorkspace) -> str:
        counters = [account.counters for account in self.bison.accounts_of(workspace)]
        names = ("emails_sent", "replied", "interested", "bounced", "unsubscribed")
        return ", ".join(str(sum(getattr(each, name) for each in counters)) for name in names)

    def _alerts_about(self, words: str) -> int:
        return sum(words in str(message) for message in self.slack.messages)

    def _all(self) -> list[SimulatedWorkspace]:
        return list(self.bison.bison.workspaces.values())

    def _one(self, query: str, **values: Any) -> int:
        return int(self.database.run(_SQL[query], **values)[0]["n"])
