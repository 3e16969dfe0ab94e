"""The demo's act about notifications: a deal is won at night, and three colleagues hear of it as they want to."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from uuid import UUID

from crm_relay.mail.models import Identity, Mode, SendPolicy
from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.models import EntityRef, Frequency, NotificationRequest, Recipients
from crm_relay.notifications.notify import NotifyReport, notify
from crm_relay.notifications.people.settings_of_person import find_colleague
from crm_relay.notifications.people.simulate_week import SettingsChange, simulate_week
from crm_relay.notifications.release.context import ReleaseContext
from crm_relay.notifications.release.run_due_deliveries import run_due_deliveries
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import parse_queries
from crm_relay.providers.resend.client import Resend
from crm_relay.providers.slack.client import Slack
from local.simulators.resend import ResendSimulator

_SQL = parse_queries((Path(__file__).with_name("notifications.sql")).read_text(encoding="utf-8"))
_OWNER, _SLEEPING, _GATHERING = "owner@example.org", "sleeping@example.org", "gathering@example.org"
_LINKS = LinkRules("https://crm.example.com")
_SENDER = Identity(id=None, from_address="crm@example.com", from_name="CRM")
_WORTH = 12_500


def _tonight() -> datetime:
    """23:00 of tomorrow, in UTC: quiet hours have begun, and nothing of the demo is due by then."""
    return (utc_now() + timedelta(days=1)).replace(hour=23, minute=0, second=0, microsecond=0)


@dataclass
class NotificationAct:
    """`now` is the act's own clock, which runs to the next morning."""

    resend: ResendSimulator
    database: Database
    base_url: str
    expect: Callable[[str, object, object], None]
    announce: Callable[[str], None]
    now: datetime = field(default_factory=_tonight)

    def play(self) -> None:
        """All scenes, in order."""
        self._a_deal_is_won()
        self._at_night()
        self._in_the_morning()

    @cached_property
    def people(self) -> list[UUID]:
        """Owner, sleeping, gathering."""
        addresses = [_OWNER, _SLEEPING, _GATHERING]
        rows = self.database.run(_SQL["people"], addresses=addresses, sleeping=_SLEEPING, gathering=_GATHERING)
        return [row["id"] for row in rows]

    def _a_deal_is_won(self) -> None:
        self.announce("a deal is won at 23:00; one colleague owns it, one sleeps, one wants one mail a day")
        first = self._win("Northwind")
        self.expect("colleagues notified of a deal that is won", 3, len(self._notify(first).created))
        self.expect("the same event again: notifications, duplicates", (0, 3), self._counts(self._notify(first)))
        seen = self._seen_by(self.people[0])
        self.expect("the owner sees it in the application", (1, 1, "Deal won: Northwind"), tuple(seen.values()))

    def _at_night(self) -> None:
        self._release()
        self.expect("e-mails at night: owner, sleeping, gathering", (1, 0, 0), self._mails())
        self.expect("the sleeping colleague's e-mail is held", ("waiting", "quiet_hours"), self._mail_of(1))
        self.expect("the gathering colleague's is in a digest", ("digest", "daily_digest"), self._mail_of(2))
        self._notify(self._win("Contoso"))
        self._release()

    def _in_the_morning(self) -> None:
        self.announce("the night passes")
        for hours in (9, 1):
            self.now += timedelta(hours=hours)
            self._release()
        self._release()
        self.expect("e-mails by 09:00: owner, sleeping, gathering", (2, 2, 1), self._mails())
        digest = self.resend.mail_to(_GATHERING).payload["text"]
        self.expect("deals in the one digest", 2, sum(name in digest for name in ("Northwind", "Contoso")))
        now, then = self._week_of_owner()
        self.expect("the owner's week as it was, and with a daily digest: e-mails", (2, 1), (now, then))

    def _win(self, name: str) -> Row:
        return self.database.run(_SQL["win_deal"], name=name, value=_WORTH, owner=self.people[0], now=self.now)[0]

    def _notify(self, deal: Row) -> NotifyReport:
        request = NotificationRequest(
            org_id=deal["org_id"],
            event_key=f"deal/{deal['id']}/won",
            recipients=Recipients(users=tuple(self.people[1:]), owner_of=EntityRef("deal", deal["id"])),
            slug="deal_closed_won",
            variables={"deal": {"name": deal["name"], "value": deal["value"], "currency": deal["currency"]}},
            action_url=f"/deals/{deal['id']}",
        )
        return self.database.transact(lambda transaction: notify(transaction, [request], self.now, links=_LINKS))

    def _release(self) -> None:
        """What notification_cron does, at the act's own time."""
        resend = Resend(HttpClient(self.resend.url, timeout=(5.0, 20.0)), self.resend.api_key)
        policy = SendPolicy(Mode.LIVE).for_colleagues()
        context = ReleaseContext(resend, policy, self.base_url, _SENDER, Slack, time.sleep, links=_LINKS)
        run_due_deliveries(self.database, context, lambda: self.now, Deadline.after(120))

    def _seen_by(self, user: UUID) -> Row:
        """As a browser asks: under row security."""

        def ask(transaction: Transaction) -> Row:
            transaction.run(_SQL["claims"], user=user)
            transaction.run(_SQL["browser"])
            return transaction.run(_SQL["seen"])[0]

        return self.database.transact(ask)

    def _mails(self) -> tuple[int, ...]:
        return tuple(self.resend.sends[address] for address in (_OWNER, _SLEEPING, _GATHERING))

    def _mail_of(self, place: int) -> tuple[str, str]:
        row = self.database.run(_SQL["mail_of"], user=self.people[place])[0]
        return row["state"], row["reason"]

    def _week_of_owner(self) -> tuple[int, int]:
        colleague = find_colleague(self.database, _OWNER)
        until = self.now + timedelta(minutes=1)
        week = simulate_week(self.database, colleague, SettingsChange(frequency=Frequency.DAILY_DIGEST), until)
        emails = [next(each.messages for each in part if each.channel == "email") for part in (week.now, week.then)]
        return emails[0], emails[1]

    @staticmethod
    def _counts(report: NotifyReport) -> tuple[int, int]:
        return len(report.created), report.duplicates
