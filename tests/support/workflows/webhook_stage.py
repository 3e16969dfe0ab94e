"""A run that waits for a webhook, a receiver, and a worker of the outbox."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.http.guarded.exchange import OutgoingAnswer, OutgoingRequest
from crm_relay.platform.http.guarded.guarded_client import GuardedClient
from crm_relay.platform.http.guarded.targets import GuardRules
from crm_relay.platform.sql import Json, SqlValue
from crm_relay.workflows.webhooks_out.models import WebhookClient, WebhookReport
from crm_relay.workflows.webhooks_out.references import WorkflowSecrets
from crm_relay.workflows.webhooks_out.send_due_webhooks import send_due_webhooks
from local.simulators.webhooks import WebhookReceiver
from tests.support.platform.rows import one, rows_of

BEGIN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = WorkflowSecrets({"crm": (SIGNING,), "token": ("t0ken",)})


@dataclass
class FakeReceivers:
    """A client without a network: each host answers with a status, an error, or what a function makes of a request."""

    answers: dict[str, int | Exception | Callable[[OutgoingRequest], OutgoingAnswer]] = field(default_factory=dict)
    requests: list[OutgoingRequest] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, request: OutgoingRequest) -> OutgoingAnswer:
        with self.lock:
            self.requests.append(request)
        answer = self.answers.get(urlsplit(request.url).hostname or "", 200)
        if isinstance(answer, Exception):
            raise answer
        return OutgoingAnswer(answer) if isinstance(answer, int) else answer(request)

    @property
    def by_host(self) -> Counter[str]:
        return Counter(urlsplit(each.url).hostname or "" for each in self.requests)

    @property
    def ids(self) -> list[str]:
        return [each.headers["webhook-id"] for each in self.requests]


@dataclass
class WebhookStage:
    """One workflow, under a clock of the test's; `receiver` is a server on loopback, which the client may ask."""

    db: Database
    url: str
    receiver: WebhookReceiver | None = None
    now: datetime = BEGIN
    secrets: WorkflowSecrets = SECRETS
    client: WebhookClient = field(default_factory=FakeReceivers)
    workflow_of: dict[UUID | None, UUID] = field(default_factory=dict)

    def guarded(self, seconds: float = 2.0) -> GuardedClient:
        """The real client, which may ask the receiver."""
        assert self.receiver is not None
        return GuardedClient(GuardRules(frozenset({urlsplit(self.receiver.url).netloc})), seconds=seconds)

    def workflow(self, org_id: UUID | None = None) -> UUID:
        """One an organization; None: the first organization."""
        if org_id not in self.workflow_of:
            self.workflow_of[org_id] = one(
                self.db,
                "insert into workflows (org_id, name, entity_type)"
                " values (coalesce(:org, default_org_id()), 'W', 'deal') returning id",
                org=org_id,
            )["id"]
        return self.workflow_of[org_id]

    def organization(self, name: str) -> UUID:
        found: UUID = one(self.db, "insert into organizations (name) values (:name) returning id", name=name)["id"]
        return found

    def run(self, *, org_id: UUID | None = None, status: str = "running") -> UUID:
        """A run of its own record."""
        found: UUID = one(
            self.db,
            "with instance as ("
            " insert into workflow_instances (org_id, workflow_id, entity_type, entity_id)"
            " select org_id, id, 'deal', gen_random_uuid() from workflows where id = :workflow"
            " returning id, org_id, workflow_id, entity_id"
            ") insert into workflow_executions"
            " (org_id, instance_id, workflow_id, version, entity_type, entity_id, status, start_key, steps_done)"
            " select org_id, id, workflow_id, 1, 'deal', entity_id, :status, 'manual:' || id, 1 from instance"
            " returning id",
            workflow=self.workflow(org_id),
            status=status,
        )["id"]
        return found

    def webhook(
        self,
        url: str | None = None,
        *,
        run: UUID | None = None,
        org_id: UUID | None = None,
        is_awaited: bool = True,
        secret: str | None = None,
        headers: Mapping[str, Any] | None = None,
        body: str = '{"deal":"won"}',
        **columns: SqlValue,
    ) -> UUID:
        """A row as its step writes it, with its step and action; its run waits for it."""
        run = run or self.run(org_id=org_id)
        url = url or (self.receiver.url + "/in" if self.receiver else "https://hooks.example.com/in")
        webhook = uuid4()
        rows_of(
            self.db,
            "with step as ("
            " insert into workflow_steps (execution_id, step_type, position, status) values (:run, 'action',"
            " (select count(*) from workflow_steps where execution_id = :run), 'waiting') returning id"
            "), action as ("
            " insert into workflow_actions (execution_id, step_id, action_type, action_config, status)"
            " select :run, id, 'webhook', '{}', 'running' from step returning id"
            ") insert into workflow_webhooks"
            " (id, org_id, execution_id, action_id, url, host, method, headers, secret_ref, body, is_awaited,"
            "  next_attempt_at, created_at, updated_at)"
            " select :id, run.org_id, run.id, action.id, :url, :host, 'POST', :headers, :secret, :body, :awaited,"
            "  :now, :now, :now from workflow_executions run, action where run.id = :run returning id",
            run=run,
            id=webhook,
            url=url,
            host=urlsplit(url).hostname,
            headers=Json(dict(headers or {})),
            secret=secret,
            body=body,
            awaited=is_awaited,
            now=self.now,
        )
        if is_awaited:
            rows_of(
                self.db,
                "update workflow_executions set waits_for = 'webhook', waits_for_id = :id where id = :run returning id",
                id=webhook,
                run=run,
            )
        for name, value in columns.items():
            self.set(webhook, **{name: value})
        return webhook

    def webhooks(self, number: int, url: str | None = None, **more: Any) -> list[UUID]:
        return [self.webhook(url, **more) for _ in range(number)]

    def set(self, webhook: UUID, **columns: SqlValue) -> None:
        """Columns of a row, as something else than the outbox left them."""
        for name, value in columns.items():
            rows_of(
                self.db,
                f"update workflow_webhooks set {name} = :value where id = :id returning id",
                value=value,
                id=webhook,
            )

    def send(self, *, seconds: float = 60, client: WebhookClient | None = None) -> WebhookReport:
        """One run of a worker."""
        return send_due_webhooks(
            self.db, client or self.client, self.secrets, lambda: self.now, Deadline.after(seconds)
        )

    def wait(self, **span: float) -> None:
        self.now += timedelta(**span)

    def lapse(self) -> None:
        """The leases of workers that died have run out, by the clock of the database."""
        rows_of(
            self.db,
            "update workflow_webhooks set leased_until = clock_timestamp() - interval '1 second'"
            " where state = 'sending' returning id",
        )

    def row(self, webhook: UUID) -> Row:
        return one(self.db, "select * from workflow_webhooks where id = :id", id=webhook)

    def state(self, webhook: UUID) -> tuple[str, str | None]:
        row = self.row(webhook)
        return row["state"], row["reason"]

    def states(self) -> Counter[str]:
        return Counter(row["state"] for row in rows_of(self.db, "select state from workflow_webhooks"))

    def run_of(self, webhook: UUID) -> Row:
        return one(
            self.db,
            "select run.* from workflow_executions run join workflow_webhooks webhook on webhook.execution_id = run.id"
            " where webhook.id = :id",
            id=webhook,
        )

    def hosts(self) -> dict[str, int]:
        return {row["host"]: row["failures"] for row in rows_of(self.db, "select * from workflow_webhook_hosts")}

    def incidents(self) -> list[tuple[str, str]]:
        rows = rows_of(self.db, "select kind, subject from incidents where closed_at is null order by kind, subject")
        return [(row["kind"], row["subject"]) for row in rows]

    def logs(self, webhook: UUID) -> Sequence[Row]:
        return rows_of(
            self.db,
            "select log.* from workflow_execution_logs log join workflow_webhooks webhook"
            " on webhook.execution_id = log.execution_id where webhook.id = :id order by log.occurred_at",
            id=webhook,
        )
