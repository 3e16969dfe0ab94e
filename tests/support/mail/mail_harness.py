"""A database, a simulated Resend account and a clock that stands still: what the tests of sending work in."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from crm_relay.campaigns.models import ENROLLMENT
from crm_relay.mail.models import Mail, Mode, SendPolicy, Settled, id_of_send
from crm_relay.mail.queue import queue_emails
from crm_relay.mail.sending.send_batches import SendContext, SendReport, send_batch, send_due
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Queryable, Row
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.resend.client import Resend
from crm_relay.rules.send_windows import SendWindow
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.platform.rows import one, rows_of

MONDAY = datetime(2026, 11, 16, 15, 0, tzinfo=UTC)
"""A moment at which nearly everything is open."""

LIVE = SendPolicy(Mode.LIVE)
ORG = "(select value::uuid from installation_settings where key = 'default_org_id')"


@dataclass
class Settler:
    """Hears of every fate, as a campaign would; what it was told in a transaction that was rolled back counts too."""

    heard: list[Settled] = field(default_factory=list)

    def __call__(self, _db: Queryable, settled: Sequence[Settled], _now: datetime) -> None:
        self.heard += settled

    @property
    def fates(self) -> dict[UUID, str]:
        """Of each mail; one that is told twice would make a test of a fate fail."""
        assert len({each.send_id for each in self.heard}) == len(self.heard)
        return {each.send_id: each.fate.value for each in self.heard}

    @property
    def reasons(self) -> dict[UUID, str | None]:
        return {each.send_id: each.reason for each in self.heard}


class MailHarness:
    """`now` moves by `wait`, for us and for Resend."""

    def __init__(self, database: Database, simulator: ResendSimulator, clock: MovableClock) -> None:
        self.db = database
        self.simulator = simulator
        self.settler = Settler()
        self.policy = LIVE
        self.timeout = (2.0, 5.0)
        self._clock = clock

    @property
    def now(self) -> datetime:
        return self._clock.now()

    def wait(self, **delta: float) -> None:
        self._clock.advance(timedelta(**delta).total_seconds())

    def client(self, api_key: str | None = None) -> Resend:
        return Resend(HttpClient(self.simulator.url, self.timeout, repeats=0), api_key or self.simulator.api_key)

    def send_context(self, database: Database | None = None, *, api_key: str | None = None) -> SendContext:
        """With a key of full access, or with `api_key`."""
        return SendContext(database or self.db, self.client(api_key), self.policy)

    def restricted(self) -> SendContext:
        """With a key that may only send: the provider cannot be asked what it has."""
        return self.send_context(api_key=self.simulator.sending_key)

    def send(self, send_context: SendContext | None = None, *, seconds: float = 60) -> SendReport:
        return send_due(
            send_context or self.send_context(),
            clock=lambda: self.now,
            deadline=Deadline.after(seconds),
            settle=self.settler,
            purposes=("test",),
        )

    def send_one(self, send_context: SendContext | None = None) -> SendReport | None:
        return send_batch(
            send_context or self.send_context(), clock=lambda: self.now, settle=self.settler, purposes=("test",)
        )

    def queue(self, *names: str, **details: Any) -> list[UUID]:
        """Mails to <name>@example.com; ids in this order."""
        mails = [self.mail(name, **details) for name in names]
        queue_emails(self.db, mails, self.now, purpose="test")
        return [mail.id for mail in mails]

    def make_room(self) -> None:
        """More than the usual 100 mails may leave in a minute."""
        rows_of(
            self.db,
            "insert into delivery_limits (org_id, emails_per_minute) values (default_org_id(), 1000) returning org_id",
        )

    def mail(self, name: str, **details: Any) -> Mail:
        return mail(self.org, name, **details)

    @property
    def org(self) -> UUID:
        return UUID(one(self.db, "select default_org_id()::text as id")["id"])

    def rows(self) -> dict[str, Row]:
        """Every mail by its address."""
        return {row["recipient_email"].partition("@")[0]: row for row in rows_of(self.db, "select * from email_sends")}

    def status(self) -> dict[str, str]:
        return {name: row["status"] for name, row in self.rows().items()}

    def batches(self) -> list[Row]:
        return rows_of(self.db, "select * from email_batches order by created_at, id")

    def incidents(self) -> set[str]:
        """Kinds of those that are open."""
        return {row["kind"] for row in rows_of(self.db, "select kind from incidents where closed_at is null")}

    def opt_out(self, name: str) -> None:
        suppress(self.db, f"{name}@example.com", "opt_out", self.now)

    def got(self, name: str) -> int:
        """How many mails Resend took for them."""
        return self.simulator.sends[f"{name}@example.com"]


def mail(org: UUID, name: str, **details: Any) -> Mail:
    """A mail as `compose` makes it, without its footer."""
    key = details.pop("key", f"test:{name}")
    if (enrollment := details.pop("enrollment_id", None)) is not None:
        details |= {"entity_type": ENROLLMENT, "entity_id": enrollment}
    address = f"{name}@example.com"
    tokens = {"unsubscribe_token": f"u-{uuid4().hex}", "reply_token": uuid4().hex[:16]}
    link = f"https://api.example.com/unsubscribe/{tokens['unsubscribe_token']}"
    payload = {
        "from": "Ada <ada@send.example.com>",
        "to": [address],
        "subject": "Hello",
        "html": f"<p>Hello {name}</p><a href='{link}'>Unsubscribe</a>",
        "text": f"Hello {name}",
        "headers": {"List-Unsubscribe": f"<{link}>"},
        "tags": [{"name": "send", "value": str(id_of_send(key))}],
    } | details.pop("payload", {})
    known = {"send_key": key, "org_id": org, "recipient": address, "address": address, "subject": "Hello"}
    return Mail(**known | tokens | {"payload": payload} | details)


def suppress(database: Database, address: str, kind: str, at: datetime) -> None:
    """As the ledger hears it from anywhere."""
    event = {"channel": "email", "address": address, "kind": kind, "source": "test", "occurred_at": at.isoformat()}
    rows_of(database, "select record_consent_events(cast(:events as jsonb))", events=json.dumps([event]))


def add_identity(database: Database, address: str = "ada@send.example.com", *, paused: bool = False) -> UUID:
    sql = """insert into email_identities (from_address, paused_at, paused_reason)
             values (:address, case when :paused then now() end, case when :paused then 'bounces' end) returning id"""
    identity: UUID = one(database, sql, address=address, paused=paused)["id"]
    return identity


OFFICE_HOURS = SendWindow.of(("mon", "tue", "wed", "thu", "fri"), "09:00", "17:00", "Europe/Berlin")
"""15:00 UTC on a Monday in November is 16:00 there."""


def enroll(database: Database, name: str, *, topic: str | None = None) -> dict[str, UUID]:
    """Somebody in an active campaign with one e-mail step: ids as `mail` takes them, after the step was queued."""
    contact = one(database, "insert into contacts (email) values (:mail) returning id", mail=f"{name}@example.com")
    campaign = one(
        database,
        "insert into campaigns (name, status, source, topic) values ('C', 'active', 'native', :topic) returning id",
        topic=topic,
    )
    step = one(
        database,
        "insert into campaign_sequences (campaign_id, step_number, channel) values (:id, 1, 'email') returning id",
        id=campaign["id"],
    )
    enrollment = one(
        database,
        """insert into campaign_enrollments (org_id, campaign_id, contact_id, address, next_step_at)
           values (default_org_id(), :campaign, :contact, :mail, now()) returning id""",
        campaign=campaign["id"],
        contact=contact["id"],
        mail=f"{name}@example.com",
    )
    rows_of(
        database,
        """insert into campaign_sequence_logs
               (org_id, campaign_id, enrollment_id, sequence_id, step_number, channel, status)
           values (default_org_id(), :campaign, :enrollment, :step, 1, 'email', 'pending')""",
        campaign=campaign["id"],
        enrollment=enrollment["id"],
        step=step["id"],
    )
    return {"campaign_id": campaign["id"], "enrollment_id": enrollment["id"], "sequence_id": step["id"]}
