"""The demo's act about a mailbox: a pitch whose sending had no answer, and a reply that ends a campaign."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import UUID

import requests

from crm_relay.campaigns.lifecycle.change_campaign import activate, create, enroll
from crm_relay.connections.oauth.ticket import make_ticket
from crm_relay.connections.steer import ConnectionChange, steer
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import parse_queries
from local.simulators.gmail import GmailSimulator

_SQL = parse_queries((Path(__file__).with_name("mailbox.sql")).read_text(encoding="utf-8"))
_CAMPAIGN = json.loads((Path(__file__).parent.parent / "campaign.json").read_text(encoding="utf-8"))
_OWNER, _ANSWERS, _PITCHED = "zoe@example.org", "answers-by-mail@example.com", "pitched@example.com"


@dataclass
class MailboxAct:
    """`fire` runs one function's schedule."""

    gmail: GmailSimulator
    database: Database
    base_url: str
    fire: Callable[[str], object]
    expect: Callable[[str, object, object], None]
    announce: Callable[[str], None]

    def play(self) -> None:
        """All scenes, in order."""
        self._a_mailbox_is_connected()
        self._an_answer_is_lost()
        self._somebody_replies()

    @cached_property
    def place(self) -> Row:
        """Ids of the workspace and of the contact who will answer."""
        return self.database.run(_SQL["insert_place"], email=_ANSWERS)[0]

    @property
    def connection(self) -> Row:
        """As it is now."""
        return self.database.run(_SQL["connection"], workspace=self.place["workspace"])[0]

    def _a_mailbox_is_connected(self) -> None:
        self.announce("a colleague connects her Gmail, and a pitch of hers has no answer from Google")
        self.gmail.account(_OWNER)
        self.gmail.switch(signed_in=_OWNER)
        ticket = make_ticket(
            self.database,
            provider="gmail",
            workspace=self.place["workspace"],
            started_by=_OWNER,
            now=utc_now(),
            settings={},
        )
        start = f"{self.base_url}/oauth/gmail/start"
        status = requests.Session().get(start, params={"ticket": ticket}, timeout=30).status_code
        self.expect("her browser comes back to a page with status", 200, status)
        self.fire("integration_sync")
        self._steer(ConnectionChange.CONFIRM)
        self.fire("integration_sync")
        self.expect("whose mailbox is connected", _OWNER, self.connection["account_label"])

    def _an_answer_is_lost(self) -> None:
        pitch: UUID = self.database.run(_SQL["insert_pitch"], workspace=self.place["workspace"], address=_PITCHED)[0][
            "id"
        ]
        self.gmail.fault("lost", match="drafts/send")
        self._sync()
        self.expect("a pitch whose sending had no answer", ("sending", "unclear"), self._pitch(pitch))
        self.database.run(_SQL["minutes_later"], id=pitch)
        self._sync()
        self._sync()
        self.expect("the same pitch minutes later", ("sent", None), self._pitch(pitch))
        self.expect("mails that arrived of it", [_PITCHED], self.gmail.account(_OWNER).sent)

    def _somebody_replies(self) -> None:
        self.announce("somebody who is in a campaign writes to her")
        campaign = create(self.database, _CAMPAIGN | {"name": "Follow-up"}, utc_now()).id
        enroll(self.database, campaign, utc_now(), contacts=[self.place["contact"]])
        activate(self.database, campaign, utc_now())
        self.gmail.deliver(f"Grace <{_ANSWERS}>", to=_OWNER, subject="Re: your offer", text="Let us talk.")
        away = {"Auto-Submitted": "auto-replied"}
        self.gmail.deliver("away@example.com", to=_OWNER, subject="Out of office", headers=away)
        self._sync()
        self._sync()
        self.fire("campaign_cron")
        self.expect(
            "replies of people in the store of replies", 1, self._one("inbox", workspace=self.place["workspace"])
        )
        found = self.database.run(_SQL["enrollment"], contact=self.place["contact"])[0]["status"]
        self.expect("the sequence of who wrote", "replied", found)
        before = self.gmail.calls
        self._sync()
        self.expect("requests to Gmail when nothing changed", 1, self.gmail.calls - before)

    def _pitch(self, pitch: UUID) -> tuple[str, str | None]:
        row = self.database.run(_SQL["pitch"], id=pitch)[0]
        return row["status"], row["held_for"]

    def _sync(self) -> None:
        self._steer(ConnectionChange.SYNC)
        self.fire("integration_sync")

    def _steer(self, change: ConnectionChange) -> None:
        steer(self.database, self.connection["id"], change, _OWNER, utc_now())

    def _one(self, query: str, **values: UUID) -> int:
        return int(self.database.run(_SQL[query], **values)[0]["n"])
