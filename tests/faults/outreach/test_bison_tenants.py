"""Drawn webhooks of three tenants: whatever comes again in whatever shape counts once, and moves no row of another."""

import json
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from crm_relay.outreach import store
from crm_relay.platform.database import Database
from tests.support.outreach.bison_deliveries import ENVELOPES, backwards
from tests.support.outreach.bison_events import METRIC_OF, account, counters, mail_data
from tests.support.outreach.bison_webhook_function import INSTANCE, configure, deliver
from tests.support.platform.rows import one, rows_of

TENANTS = {"Northwind": 17, "Contoso": 18, "Fabrikam": 19}
TOKENS = {name: f"{name.lower()}-token-of-more-than-32-letters" for name in TENANTS}
PARTS = {"campaign_event": ["id"], "reply": ["uuid", "id"], "scheduled_email": ["id"]}
OWN = {kind: ["campaign_event.id", "reply.uuid", "reply.id"] for kind in METRIC_OF}
OWN |= {kind: ["campaign_event.id", "scheduled_email.id"] for kind in ("email_sent", "lead_unsubscribed")}
STEPS = 120
FOREIGN = """
    select 'lead' as row, to_jsonb(lead) - 'updated_at' as of from client_leads lead where workspace_name <> :name
    union all select 'metrics', to_jsonb(metrics) from client_metrics metrics where workspace_name <> :name
    union all select 'account', to_jsonb(sender) from sender_emails_cache sender where workspace_name <> :name
    union all select 'line', to_jsonb(log) from webhook_delivery_log log where workspace_name <> workspace_key(:name)
    union all select 'slot', to_jsonb(slot) from webhook_delivery_slots slot where workspace_name <> :name
    union all
    select 'reply', to_jsonb(item) from inbox_items item join workspaces ours on ours.id = item.workspace_id
    where ours.name <> :name
    union all
    select 'ledger', to_jsonb(event) from consent_events event
    join workspaces ours on ours.org_id = event.org_id where ours.name <> :name
    order by 1, 2"""


@dataclass
class DrawnEvent:
    """`seen` are the ids by which it has come so far."""

    kind: str
    data: dict[str, Any]
    seen: set[str] = field(default_factory=set)


@dataclass
class DrawnTenant:
    """`name` is what the workspace is called today; its token keeps the first name."""

    first_name: str
    name: str
    events: list[DrawnEvent] = field(default_factory=list)

    def expected(self) -> dict[str, int]:
        kinds = [METRIC_OF[event.kind] for event in self.events]
        return {metric: kinds.count(metric) for metric in sorted(set(kinds))}


@dataclass
class DrawnTenants:
    db: Database
    chance: random.Random
    tenants: list[DrawnTenant] = field(default_factory=lambda: [DrawnTenant(name, name) for name in TENANTS])

    def step(self) -> None:
        tenant = self.chance.choice(self.tenants)
        before = rows_of(self.db, FOREIGN, name=tenant.name)
        choice = self.chance.random()
        if choice < 0.05:
            self._rename(tenant)
        elif choice < 0.2:
            self._account(tenant)
        elif choice < 0.6 or not tenant.events:
            self._new(tenant)
        else:
            self._again(tenant)
        assert rows_of(self.db, FOREIGN, name=tenant.name) == before
        assert dict(sorted(counters(self.db, tenant.name).items())) == tenant.expected()

    def _new(self, tenant: DrawnTenant) -> None:
        # The numbers are the same ones at every tenant.
        kind, number = self.chance.choice(list(METRIC_OF)), len(tenant.events) + 1
        lead = self.chance.randint(1, 3)
        data = mail_data(kind, number, lead=lead, sender=self.chance.randint(7, 9), text="Status: 5.1.1")
        event = DrawnEvent(kind, data)
        tenant.events.append(event)
        self._deliver(tenant, event, self.chance.sample(OWN[kind], self.chance.randint(1, len(OWN[kind]))))

    def _again(self, tenant: DrawnTenant) -> None:
        event = self.chance.choice(tenant.events)
        known = self.chance.choice(sorted(event.seen))
        self._deliver(tenant, event, {known, *self.chance.sample(OWN[event.kind], self.chance.randint(0, 2))})

    def _deliver(self, tenant: DrawnTenant, event: DrawnEvent, ids: Any) -> None:
        there = {each for each in ids if each.partition(".")[0] in event.data}
        there = there or {"campaign_event.id"}
        data = json.loads(json.dumps(event.data))
        for part, words in PARTS.items():
            for word in words:
                if part in data and f"{part}.{word}" not in there:
                    data[part][word] = None
            if part in data and self.chance.random() < 0.5 and not any(data[part].get(word) for word in words):
                data[part] = None
        for part in ("sender_email", "campaign"):
            if self.chance.random() < 0.3:
                data[part] = None
        is_new = not event.seen
        answer = self._send(tenant, event.kind, data)
        assert (answer["status"], answer["events_processed"], answer["duplicates"]) == (200, is_new, not is_new), data
        event.seen |= there

    def _send(self, tenant: DrawnTenant, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        claims = {"workspace_id": TENANTS[tenant.first_name], "workspace_name": "any", "instance_url": INSTANCE}
        body = ENVELOPES[self.chance.choice(list(ENVELOPES))](kind.upper(), data, claims)
        body = backwards(body) if self.chance.random() < 0.5 else body
        # Never the same bytes twice: those the inbox knows.
        body["nonce"] = self.chance.random()
        return deliver(json.dumps(body).encode(), token=TOKENS[tenant.first_name])

    def _account(self, tenant: DrawnTenant) -> None:
        kind = self.chance.choice(["added", "removed", "disconnected", "reconnected"])
        number, day = self.chance.randint(7, 12), self.chance.randint(1, 28)
        data = {"sender_email": account(number, at=f"2026-03-{day:02}T10:00:00Z")}
        assert self._send(tenant, f"email_account_{kind}", data)["status"] == 200

    def _rename(self, tenant: DrawnTenant) -> None:
        former, tenant.name = tenant.name, f"{tenant.first_name} {self.chance.randint(1, 10**9)}"
        rows_of(self.db, "update workspaces set name = :name where name = :former", name=tenant.name, former=former)


@pytest.mark.parametrize("seed", range(4))
def test_webhooks_of_three_tenants_count_once_and_move_no_foreign_row(
    monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str, seed: int
) -> None:
    configure(monkeypatch, database_url, BISON_WEBHOOK_TOKENS=json.dumps(TOKENS))
    for name, number in TENANTS.items():
        org = one(database, "insert into organizations (name) values (:name) returning id", name=name)["id"]
        rows_of(
            database,
            """insert into workspaces (org_id, name, bison_workspace_id, bison_instance_url)
               values (:org, :name, :number, :instance)""",
            org=org,
            name=name,
            number=number,
            instance=INSTANCE,
        )
    drawn = DrawnTenants(database, random.Random(seed))
    for _ in range(STEPS):
        drawn.step()
    assert store.metric_drift(database, "2026-03-01") == []
    assert all(tenant.events for tenant in drawn.tenants)
