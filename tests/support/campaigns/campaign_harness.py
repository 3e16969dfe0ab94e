"""A CRM with campaigns and a simulated Resend, under a clock that stands until a test moves it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.campaigns.engine.run_due_steps import EngineContext, EngineReport, run_due_steps
from crm_relay.mail.models import Identity, Mode, SendPolicy
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import Json
from crm_relay.providers.resend.client import Resend
from crm_relay.providers.text import TextProvider
from crm_relay.sources.resend import RESEND
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_once
from crm_relay.webhooks.source import Received
from local.simulators.resend import ResendSimulator
from local.simulators.resend.state import SimulatedMail
from local.simulators.resend.webhooks.delivery import HookMessage
from tests.support.platform.rows import one, rows_of

# A Wednesday, 10:00 in New York: inside the default window.
BEGIN = datetime(2026, 11, 18, 15, tzinfo=UTC)
PUBLIC_URL = "https://api.example.com"
LIVE = SendPolicy(Mode.LIVE)
# A campaign's window that is never shut.
ALWAYS: dict[str, Any] = {
    "send_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    "send_window_start": "00:00",
    "send_window_end": "23:59",
    "timezone": "UTC",
}


def email(number: int = 1, **more: Any) -> dict[str, Any]:
    """An e-mail step."""
    return {
        "step_number": number,
        "channel": "email",
        "subject": f"Step {number} for {{{{contact.first_name}}}}",
        "body_html": f"<p>Hello {{{{contact.first_name}}}}, this is {number} of {{{{campaign.name}}}}.</p>",
        **more,
    }


def step(channel: str, number: int, **more: Any) -> dict[str, Any]:
    """A step of another channel."""
    return {"step_number": number, "channel": channel, **more}


@dataclass
class CampaignHarness:
    """`time` holds everybody's clock, the simulated Resend's as well."""

    db: Database
    sim: ResendSimulator
    url: str
    time: list[datetime]
    policy: SendPolicy = LIVE
    texts: TextProvider | None = None
    sender: Identity | None = None
    people: int = 0
    orgs: list[UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.org = one(self.db, "select default_org_id() as id")["id"]
        rows_of(
            self.db,
            "update organizations set postal_address = '1 Example Street, Springfield' where id = :id",
            id=self.org,
        )
        self.identity(self.org)

    @property
    def now(self) -> datetime:
        return self.time[0]

    def clock(self) -> datetime:
        return self.time[0]

    def resend(self) -> Resend:
        return Resend(HttpClient(self.sim.url, timeout=(2, 10), repeats=0), self.sim.sending_key)

    def engine(self) -> EngineContext:
        return EngineContext(self.resend(), self.policy, PUBLIC_URL, self.sender, self.texts)

    def tick(
        self, *, db: Database | None = None, harness: EngineContext | None = None, seconds: float = 600
    ) -> EngineReport:
        """One run with time enough."""
        return run_due_steps(db or self.db, harness or self.engine(), self.clock, Deadline.after(seconds))

    def wait(self, **length: float) -> None:
        """The clock moves."""
        self.time[0] += timedelta(**length)

    def organization(self, name: str = "Other", *, emails_per_minute: int | None = 100) -> UUID:
        org: UUID = one(
            self.db,
            "insert into organizations (name, postal_address) values (:name, '2 Example Road') returning id",
            name=name,
        )["id"]
        self.identity(org, f"sender@{org.hex[:6]}.example.com")
        self.limit(emails_per_minute, org=org)
        return org

    def identity(self, org: UUID, address: str = "sender@example.com") -> UUID:
        made: UUID = one(
            self.db,
            """insert into email_identities (org_id, from_address, from_name, inbound_domain, is_default)
               values (:org, :address, 'Ada', :inbound, true) returning id""",
            org=org,
            address=address,
            inbound="in.example.com" if org == self.org else f"in.{org.hex[:6]}.example.com",
        )["id"]
        return made

    def limit(
        self, emails_per_minute: int | None, *, org: UUID | None = None, cap: tuple[int, int] | None = None
    ) -> None:
        """`cap`: so many in so many days."""
        rows_of(
            self.db,
            """insert into delivery_limits (org_id, emails_per_minute, cap_emails, cap_days)
               values (:org, cast(:rate as integer), cast(:cap as integer), cast(:days as integer))
               on conflict (org_id) do update set emails_per_minute = excluded.emails_per_minute,
                   cap_emails = excluded.cap_emails, cap_days = excluded.cap_days""",
            org=org or self.org,
            rate=emails_per_minute,
            cap=None if cap is None else cap[0],
            days=None if cap is None else cap[1],
        )

    def campaign(self, *steps: Mapping[str, Any], org: UUID | None = None, **columns: Any) -> UUID:
        """One that runs."""
        names = {"name": "Spring", "status": "active", **columns}
        made: UUID = one(
            self.db,
            f"""insert into campaigns (org_id, {", ".join(names)})
                values (:org, {", ".join(f":{name}" for name in names)}) returning id""",
            org=org or self.org,
            **names,
        )["id"]
        for each in steps:
            self.add_step(made, each)
        return made

    def add_step(self, campaign: UUID, columns: Mapping[str, Any]) -> UUID:
        values = {name: Json(value) if isinstance(value, list | dict) else value for name, value in columns.items()}
        made: UUID = one(
            self.db,
            f"""insert into campaign_sequences (campaign_id, {", ".join(values)})
                values (:campaign, {", ".join(f":{name}" for name in values)}) returning id""",
            campaign=campaign,
            **values,
        )["id"]
        return made

    def contact(self, address: str | None = "", *, org: UUID | None = None, **columns: Any) -> UUID:
        """`address` '': a new one."""
        self.people += 1
        values = {
            "email": f"person{self.people}@example.com" if address == "" else address,
            "first_name": f"Person{self.people}",
            **columns,
        }
        made: UUID = one(
            self.db,
            f"""insert into contacts (org_id, {", ".join(values)})
                values (:org, {", ".join(f":{name}" for name in values)}) returning id""",
            org=org or self.org,
            **values,
        )["id"]
        return made

    def enroll(
        self, campaign: UUID, contact: UUID | None = None, *, due: datetime | None = None, **columns: Any
    ) -> UUID:
        """Somebody whose next step is due now, or at `due`."""
        owner = one(self.db, "select org_id from campaigns where id = :id", id=campaign)["org_id"]
        person = contact or self.contact(org=owner)
        values = {"next_step_at": due or self.now, **columns}
        made: UUID = one(
            self.db,
            f"""insert into campaign_enrollments
                    (org_id, campaign_id, contact_id, address, created_at, {", ".join(values)})
                select org_id, :campaign, id, normalise_address(email), :now, {", ".join(f":{name}" for name in values)}
                from contacts where id = :contact returning id""",
            campaign=campaign,
            contact=person,
            now=self.now - timedelta(minutes=1),
            **values,
        )["id"]
        return made

    def enroll_many(self, campaign: UUID, number: int) -> list[UUID]:
        owner = one(self.db, "select org_id from campaigns where id = :id", id=campaign)["org_id"]
        self.people += number
        rows = rows_of(
            self.db,
            """with person as (
                   insert into contacts (org_id, email, first_name)
                   select :org, 'many' || n || '-' || :people || '@example.com', 'Many'
                   from generate_series(1, :number) n
                   returning id, email
               )
               insert into campaign_enrollments (org_id, campaign_id, contact_id, address, next_step_at, created_at)
               select :org, :campaign, id, email, :now, :now from person returning id""",
            org=owner,
            people=self.people,
            number=number,
            campaign=campaign,
            now=self.now,
        )
        return [row["id"] for row in rows]

    def enrollment(self, enrollment: UUID) -> Row:
        return one(self.db, "select * from campaign_enrollments where id = :id", id=enrollment)

    def lines(self, enrollment: UUID | None = None) -> list[tuple[int, str, str | None]]:
        """(step, status, reason) of the log."""
        rows = rows_of(
            self.db,
            """select step_number, status, reason from campaign_sequence_logs
               where cast(:id as uuid) is null or enrollment_id = :id order by enrollment_id, step_number""",
            id=enrollment,
        )
        return [(row["step_number"], row["status"], row["reason"]) for row in rows]

    def totals(self, campaign: UUID) -> tuple[int, int, int]:
        """(active, completed, sent)."""
        row = one(
            self.db,
            "select total_active, total_completed, total_sent from campaign_totals where campaign_id = :id",
            id=campaign,
        )
        return row["total_active"], row["total_completed"], row["total_sent"]

    def reply(self, mail: SimulatedMail, **columns: Any) -> UUID:
        """An answer to this mail, as it stands in `inbox_items`."""
        values = {
            "source": "resend",
            "external_id": f"reply-{mail.id}-{len(columns)}",
            "from_address": mail.recipients[0],
            "in_reply_to": mail.message_id,
            "received_at": self.now,
            "headers_read_at": self.now,
            **columns,
        }
        made: UUID = one(
            self.db,
            f"""insert into inbox_items ({", ".join(values)})
                values ({", ".join(f":{name}" for name in values)}) returning id""",
            **values,
        )["id"]
        return made

    def deliver(self, messages: Sequence[HookMessage] | None = None) -> None:
        """Events of the simulated Resend reach the database, all of them or these, each in a transaction of its own."""
        for message in self.sim.messages if messages is None else messages:
            delivered = Delivered(RESEND.name, message.body, self.now, delivery_id=message.svix_id)
            apply_once(self.db, RESEND, Received(delivered, RESEND.parse(delivered)))

    def suppress(self, address: str, kind: str, *, org: UUID | None = None) -> None:
        rows_of(
            self.db,
            """select record_consent_events(jsonb_build_array(jsonb_build_object(
                   'org_id', cast(:org as uuid), 'channel', 'email', 'address', cast(:address as text),
                   'kind', cast(:kind as text), 'source', 'test', 'occurred_at', cast(:now as timestamptz))))""",
            org=org or self.org,
            address=address,
            kind=kind,
            now=self.now,
        )

    def assert_accounts(self) -> None:
        """What must hold after everything: each step's account, each campaign's totals, and that nobody got two."""
        wrong = rows_of(
            self.db,
            """select * from campaign_step_accounting
               where not holds or reached <> sent + skipped + failed + pending + stopped""",
        )
        assert wrong == []
        drifted = rows_of(
            self.db,
            """select campaign.id, totals.total_active, totals.total_completed, totals.total_sent
               from campaigns campaign
               join campaign_totals totals on totals.campaign_id = campaign.id
               left join lateral (
                   select
                       count(*) filter (where status in ('active', 'engaged')) as active,
                       count(*) filter (where status = 'completed') as completed, coalesce(sum(emails_sent), 0) as sent
                   from campaign_enrollments where campaign_id = campaign.id
               ) counted on true
               where campaign.source = 'native' and (totals.total_active <> counted.active
                   or totals.total_completed < counted.completed or totals.total_sent < counted.sent)""",
        )
        assert drifted == []
        sends = [
            each
            for mail in self.sim.mails
            for each in json.loads(json.dumps(mail.payload["tags"]))
            if each["name"] == "send"
        ]
        assert len({each["value"] for each in sends}) == len(sends), "a mail was sent twice"
