"""Three organizations in one installation, beside the one that owns it; and what happens to each of them."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from tests.support.campaigns.campaign_harness import CampaignHarness, email, step
from tests.support.customers import mautic_hooks, mautic_webhook_function
from tests.support.mail import resend_webhook_function, unsubscribe_function
from tests.support.operations.admin_function import AdminFunction
from tests.support.outreach import bison_webhook_function
from tests.support.outreach.bison_events import METRIC_OF, mail_data
from tests.support.platform.rows import add_customer, one, rows_of
from tests.support.tenants.what_is_whose import Tenant

NAMES = ("Alpha", "Beta", "Gamma")
BYSTANDER = "Delta"
"""The organization that owns the installation: whatever falls back on a default lands there."""

TOKENS = {name: f"{name.lower()}-token-of-32-letters-and-more" for name in NAMES}
ALWAYS: dict[str, Any] = {
    "send_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    "send_window_start": "00:00",
    "send_window_end": "23:59",
    "timezone": "UTC",
}
PEOPLE = 4


@dataclass
class TenantRows:
    """What an action can be about."""

    tenant: Tenant
    campaign: UUID
    contacts: list[UUID]
    enrollments: list[UUID]
    customers: list[UUID]


def plant(harness: CampaignHarness, name: str, number: int) -> TenantRows:
    """One organization whose first mails were sent."""
    db = harness.db
    org = harness.org if name == BYSTANDER else harness.organization(name, emails_per_minute=None)
    workspace, user = uuid4(), uuid4()
    rows_of(db, "insert into user_profiles (id, org_id) values (:user, :org)", user=user, org=org)
    rows_of(
        db,
        """insert into workspaces (id, org_id, name, bison_workspace_id, bison_instance_url)
           values (:id, :org, :name, :number, :instance)""",
        id=workspace,
        org=org,
        name=name,
        number=number,
        instance=bison_webhook_function.INSTANCE,
    )
    rows_of(db, "insert into workspace_members (workspace_id, user_id) values (:id, :user)", id=workspace, user=user)
    tenant = Tenant(name, org, user, workspace, number)
    campaign = harness.campaign(
        email(1), step("wait", 2), email(3, delay_days=1), org=org, name=f"{name} spring", topic=name.lower(), **ALWAYS
    )
    contacts = [harness.contact(tenant.address(each), org=org, last_name=name) for each in range(PEOPLE + 2)]
    enrollments = [harness.enroll(campaign, contact) for contact in contacts[:PEOPLE]]
    customers = [
        add_customer(db, f"c{each}@{name.lower()}.example.com", contact_id=number * 100 + each) for each in (1, 2)
    ]
    rows_of(db, "update customer_profiles set org_id = :org where id = any (:ids)", org=org, ids=customers)
    return TenantRows(tenant, campaign, contacts, enrollments, customers)


class TenantHistory:
    """Draws what happens; each action says whose it is, and may change nobody else's rows."""

    def __init__(self, harness: CampaignHarness, api: AdminFunction, seed: int) -> None:
        self.harness, self.api, self.chance = harness, api, random.Random(seed)
        self.rows = {name: plant(harness, name, 17 + place) for place, name in enumerate((*NAMES, BYSTANDER))}
        self.token = api.token("olga", Role.OPERATE)
        self.events = 0
        harness.tick()

    @property
    def db(self) -> Database:
        return self.harness.db

    @property
    def tenants(self) -> list[Tenant]:
        return [each.tenant for each in self.rows.values()]

    def act(self) -> tuple[str, str]:
        """One random action; its word, and the organization that it concerns."""
        name = self.chance.choice(NAMES)
        stranger = self.rows[self.chance.choice([each for each in self.rows if each != name])]
        actions = [
            self.mail_event,
            self.reply,
            self.unsubscribe,
            self.outreach,
            self.foreign_outreach,
            self.mautic,
            self.campaign,
            self.foreign_enrollment,
            self.brake,
            self.look,
        ]
        action = self.chance.choice(actions)
        action(self.rows[name], stranger)
        return action.__name__, name

    def mail_event(self, own: TenantRows, _stranger: TenantRows) -> None:
        mail = self._mail(own)
        kind = self.chance.choice(["delivered", "opened", "clicked", "bounced", "complained", "delivery_delayed"])
        more: dict[str, Any] = {"bounce": {"type": "Permanent", "message": "no"}} if kind == "bounced" else {}
        more |= {"click": {"link": "https://example.com", "userAgent": "Safari"}} if kind == "clicked" else {}
        self._resend(kind, mail, **more)

    def reply(self, own: TenantRows, _stranger: TenantRows) -> None:
        mail = self._mail(own)
        domain = one(self.db, "select inbound_domain from email_identities where org_id = :org", org=own.tenant.org)
        to = self.chance.choice([f"reply+{mail['reply_token']}", "hello"]) + f"@{domain['inbound_domain']}"
        self._resend("received", mail, **{"from": mail["recipient_email"], "to": [to], "message_id": f"<{uuid4()}>"})

    def unsubscribe(self, own: TenantRows, _stranger: TenantRows) -> None:
        token = self._mail(own)["unsubscribe_token"]
        match self.chance.randint(0, 3):
            case 0:
                answer = unsubscribe_function.ask(token)
            case 1:
                answer = unsubscribe_function.one_click(token)
            case 2:
                answer = unsubscribe_function.press(token, "topic")
            case _:
                answer = unsubscribe_function.press(token, "everything")
        assert answer["statusCode"] < 500

    def outreach(self, own: TenantRows, _stranger: TenantRows) -> None:
        self._bison(own.tenant, own.tenant)

    def foreign_outreach(self, own: TenantRows, stranger: TenantRows) -> None:
        """A workspace's own door, with accounts, leads and names of another one in the delivery."""
        self._bison(own.tenant, stranger.tenant)

    def mautic(self, own: TenantRows, _stranger: TenantRows) -> None:
        each = self.chance.choice([1, 2])
        about: dict[str, Any] = {
            "contact_id": own.tenant.number * 100 + each,
            "email": f"c{each}@{own.tenant.name.lower()}.example.com",
        }
        self.events += 1
        body = self.chance.choice(
            [
                mautic_hooks.delivery(email_on_open=[mautic_hooks.opened(**about, tracking=f"t{self.events}")]),
                mautic_hooks.delivery(lead_channel_subscription_changed=[mautic_hooks.subscription(**about)]),
            ]
        )
        assert mautic_webhook_function.deliver(body)["status"] == 200

    def campaign(self, own: TenantRows, _stranger: TenantRows) -> None:
        path = f"/api/campaigns/{own.campaign}"
        enrollment = f"/api/enrollments/{self.chance.choice(own.enrollments)}"
        contact = str(self.chance.choice(own.contacts))
        asked = [
            ("POST", f"{path}/pause", None),
            ("POST", f"{path}/resume", None),
            ("POST", f"{path}/enroll", {"contacts": [contact]}),
            ("POST", f"{path}/simulate", {"days": 3}),
            ("POST", f"{enrollment}/pause", None),
            ("POST", f"{enrollment}/resume", None),
            ("PATCH", path, {"description": f"{own.tenant.name} {self.chance.random()}"}),
        ]
        method, address, body = self.chance.choice(asked)
        answer = self.api.call(method, address, body=body, token=self.token)
        assert answer.status in {200, 409}, answer.text

    def foreign_enrollment(self, own: TenantRows, stranger: TenantRows) -> None:
        wanted = {
            "contacts": [str(self.chance.choice(stranger.contacts))],
            "addresses": [stranger.tenant.address(1)],
        }
        answer = self.api.call("POST", f"/api/campaigns/{own.campaign}/enroll", body=wanted, token=self.token)
        assert answer.status in {200, 409}
        assert answer.body.get("enrolled", 0) == 0

    def brake(self, own: TenantRows, _stranger: TenantRows) -> None:
        body = {"organization": str(own.tenant.org)}
        verb = self.chance.choice(["stop", "resume"])
        assert self.api.call("POST", f"/api/sending/{verb}", body=body, token=self.token).status == 200

    def look(self, own: TenantRows, _stranger: TenantRows) -> None:
        """What is answered about one organization names nobody of another."""
        # Not one of the people: another workspace may write to them too, which the installation's operator sees.
        who = f"c{self.chance.choice([1, 2])}@{own.tenant.name.lower()}.example.com"
        answers = [
            self.api.call("GET", f"/api/campaigns/{own.campaign}", token=self.token),
            self.api.call("GET", "/api/why", query={"who": who}, token=self.token),
        ]
        for answer in answers:
            assert answer.status == 200
            foreign = [name for name in self.rows if name != own.tenant.name and name.lower() in answer.text.lower()]
            assert foreign == []

    def _mail(self, own: TenantRows) -> Any:
        return self.chance.choice(
            rows_of(
                self.db,
                "select * from email_sends where org_id = :org and resend_id is not null order by id",
                org=own.tenant.org,
            )
        )

    def _resend(self, kind: str, mail: Any, **more: Any) -> None:
        at = (utc_now() + timedelta(seconds=self.events / 1000)).isoformat()
        self.events += 1
        data = {"to": [mail["recipient_email"]], "send": str(mail["id"])} | more
        body = resend_webhook_function.mail_event(kind, mail["resend_id"], at=at, **data)
        assert resend_webhook_function.deliver(body)["status"] == 200

    def _bison(self, door: Tenant, named: Tenant) -> None:
        """A delivery at one workspace's door that names accounts, leads and perhaps the workspace of `named`."""
        self.events += 1
        kind = self.chance.choice([*METRIC_OF, "email_account_removed", "email_account_disconnected"])
        data = mail_data(
            kind,
            self.events,
            lead=named.number * 10 + self.chance.randint(1, 2),
            sender=named.number * 10,
            at="2026-11-20T10:00:00Z",
        )
        data["lead"]["email"] = named.address(1)
        spoken = self.chance.choice([door, named])
        head: dict[str, Any] = {"workspace_id": spoken.number, "workspace_name": spoken.name}
        if kind.startswith("email_account"):
            data = {"sender_email": data["sender_email"]}
        body = bison_webhook_function.delivery(kind, data, **head)
        assert bison_webhook_function.deliver(body, token=TOKENS[door.name])["status"] < 500
