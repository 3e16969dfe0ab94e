"""The demo's act about workflows: a won deal is approved, loops are stopped, and a webhook is delivered once."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import requests

from crm_relay.operations.access.tokens import create_token
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.callers import Role
from crm_relay.platform.sql import parse_queries
from crm_relay.workflows.definition.drafts import create, find_workflow, save
from crm_relay.workflows.definition.publish import publish
from local.simulators.resend import ResendSimulator
from local.simulators.webhooks import WebhookReceiver
from workflow_cron.wiring import installation, run_workflows

_SQL = parse_queries((Path(__file__).with_name("queries.sql")).read_text(encoding="utf-8"))
_WORKFLOWS = json.loads((Path(__file__).with_name("definitions.json")).read_text(encoding="utf-8"))
_OWNER, _CONTACT, _DEAL = "account.owner@example.org", "buyer@example.com", "Tailspin"
_MANAGER, _DEPUTY = "manager@example.org", "deputy@example.org"
_SECONDS = 30
_MOST_DEPTH = 5
_MOST_ROUNDS = 20


@dataclass
class WorkflowAct:
    """`fire` is the schedule of workflow_cron; `now` is the act's own clock, for what would take minutes."""

    resend: ResendSimulator
    receiver: WebhookReceiver
    base_url: str
    database: Database
    fire: Callable[[], Mapping[str, Any]]
    expect: Callable[[str, object, object], None]
    announce: Callable[[str], None]
    now: datetime = field(default_factory=utc_now)

    def play(self) -> None:
        """All scenes, in order."""
        self._a_deal_is_won()
        self._a_loop_is_refused()
        self._a_loop_is_stopped()
        self._a_webhook_is_repeated()

    @cached_property
    def deal(self) -> UUID:
        """In progress, with a contact and an owner."""
        people = {"owner": _OWNER, "manager": _MANAGER, "deputy": _DEPUTY, "contact": _CONTACT}
        row = self.database.run(_SQL["insert_deal"], **people, name=_DEAL)[0]
        deal: UUID = row["id"]
        return deal

    def _a_deal_is_won(self) -> None:
        self.announce("a workflow is published, and a deal is won by an UPDATE in SQL")
        won = self._publish(_WORKFLOWS["won"])
        self.database.run(_SQL["set_status"], id=self.deal, status="won")
        self._fire_until_idle()
        self._it_is_approved(won)
        self.expect("runs of the workflow, by status", {"completed": 1}, self._runs(won))
        done = self.database.run(_SQL["done_for"], id=self.deal)[0]
        self.expect("e-mails to the deal's contact", 1, self.resend.sends[_CONTACT])
        self.expect("tasks for its owner, notifications", (1, 1), (done["tasks"], done["notifications"]))
        self.database.run(_SQL["set_status"], id=self.deal, status="won")
        self._fire_until_idle()
        self.expect("the same UPDATE again: runs", {"completed": 1}, self._runs(won))

    def _it_is_approved(self, won: UUID) -> None:
        self.announce("the owner's manager has to approve it, and is away")
        (asked,) = self.database.run(_SQL["asked"], workflow=won)
        self.expect("asked for approval, in whose place", ("Dora", "Mina"), (asked["approver"], asked["stands_for"]))
        self.expect("e-mails to the contact before that", 0, self.resend.sends[_CONTACT])
        self.expect("the requester's own attempt: status", 403, self._own_attempt(asked["id"]))
        self.expect("opening the link changes nothing", (200, "pending"), (self._open(asked["link"]), self._state(won)))
        requests.post(asked["link"], data={"decision": "approve"}, timeout=_SECONDS)
        self._fire_until_idle()
        (decided,) = self.database.run(_SQL["asked"], workflow=won)
        found = (decided["status"], decided["decided_by_name"], decided["decided_via"])
        self.expect("the deputy decides by the link", ("approved", "Dora", "link"), found)

    def _own_attempt(self, approval: UUID) -> int:
        made = create_token(
            self.database, "grace", Role.OPERATE, expires_at=None, created_by="demo", now=utc_now(), user=_OWNER
        )
        headers = {"authorization": f"Bearer {made.token}"}
        url = f"{self.base_url}/api/approvals/{approval}/approve"
        return requests.post(url, json={}, headers=headers, timeout=_SECONDS).status_code

    def _open(self, link: str) -> int:
        return requests.get(link, timeout=_SECONDS).status_code

    def _state(self, won: UUID) -> str:
        return str(self.database.run(_SQL["asked"], workflow=won)[0]["status"])

    def _a_loop_is_refused(self) -> None:
        self.announce("two workflows would start each other for ever")
        self._publish(_WORKFLOWS["there"])
        second = create(self.database, _WORKFLOWS["back"])
        self.expect("publishing the second one: status, circle named", (422, True), self._refusal_of(second.id))

    def _a_loop_is_stopped(self) -> None:
        self.announce("it names a guard and is published: the loop stops by itself")
        there, back = (find_workflow(self.database, _WORKFLOWS[name]["name"]) for name in ("there", "back"))
        save(self.database, back, _WORKFLOWS["back"] | {"settings": {"guard": "the depth of causation"}})
        publish(self.database, back, utc_now())
        self.database.run(_SQL["set_stage"], id=self.deal, stage="proposal")
        self._fire_until_idle()
        self.expect("runs before the loop stops", {"completed": _MOST_DEPTH + 1}, self._runs(there, back))
        self.expect("the start that is refused, by its gate", {"depth": 1}, self._not_started(there, back))
        forecast = self._publish(_WORKFLOWS["forecast"])
        self.database.run(_SQL["set_probability"], id=self.deal, probability=20)
        self._fire_until_idle()
        self.expect("a workflow that starts itself: runs", {"completed": 1}, self._runs(forecast))
        self.expect("its next start, refused by its gate", {"cool_down": 1}, self._not_started(forecast))

    def _a_webhook_is_repeated(self) -> None:
        self.announce("another system answers 500 twice; minutes pass")
        webhook, *rest = _WORKFLOWS["export"]["actions"]
        action = webhook | {"config": webhook["config"] | {"url": f"{self.receiver.url}/deals"}}
        export = self._publish(_WORKFLOWS["export"] | {"actions": [action, *rest]})
        for _ in range(2):
            self.receiver.fault("status", status=500)
        self.database.run(_SQL["set_status"], id=self.deal, status="invoiced")
        for minutes in (0, 2, 10):
            self.now = max(self.now, utc_now()) + timedelta(minutes=minutes)
            run_workflows(installation(), lambda: self.now, Deadline.after(60))
        sent = self.database.run(_SQL["webhook"], workflow=export)[0]
        self.expect("the webhook, and its attempts", ("delivered", 3), (sent["state"], sent["attempts"]))
        asked, taken = self.receiver.requests_by_id, self.receiver.taken
        self.expect("requests under one id, deliveries", ([3], 1), (list(asked.values()), len(taken)))
        self.expect("the run goes on after the answer", (True, {"completed": 1}), (sent["goes_on"], self._runs(export)))

    def _publish(self, file: Mapping[str, Any]) -> UUID:
        workflow = create(self.database, file)
        publish(self.database, workflow.id, utc_now())
        return workflow.id

    def _refusal_of(self, workflow: UUID) -> tuple[int | None, bool]:
        try:
            publish(self.database, workflow, utc_now())
        except RejectedInput as error:
            return error.status, any("There" in each and "And back" in each for each in error.details)
        return None, False

    def _fire_until_idle(self) -> None:
        """What a step writes starts the next run a minute later, in the next round."""
        for _ in range(_MOST_ROUNDS):
            if self.fire()["idle"]:
                return

    def _runs(self, *workflows: UUID) -> dict[str, int]:
        rows = self.database.run(_SQL["runs"], workflows=list(workflows))
        return {row["status"]: row["n"] for row in rows}

    def _not_started(self, *workflows: UUID) -> dict[str, int]:
        rows = self.database.run(_SQL["not_started"], workflows=list(workflows))
        return {row["reason"]: row["n"] for row in rows}
