"""A database, a simulated Mautic and runs of the sync between them; and the question whether the two agree."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from crm_relay.customers.models import SyncOptions, SyncReport
from crm_relay.customers.run import RunLease, SyncContext
from crm_relay.customers.syncing.sync_customers import sync_contacts
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import Query, SqlValue
from crm_relay.providers.mautic.client import Mautic
from local.demo.agreement import disagreements
from local.simulators.mautic import MauticSimulator

CLIENT = ("crm-relay", "simulator-secret")


class FreeLease:
    """Nobody else is there."""

    def acquire(self) -> bool:
        return True

    def renew(self) -> None:
        pass

    def release(self) -> None:
        pass


@dataclass
class MauticHarness:
    """One Postgres and one simulated Mautic."""

    db: Database
    simulator: MauticSimulator
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    pauses: list[float] = field(default_factory=list)
    made: int = 0
    url: str = ""

    def sync(
        self,
        *,
        full: bool = False,
        after: UUID | None = None,
        seconds: float = 600,
        options: SyncOptions | None = None,
        lease: RunLease | None = None,
        timeout: float = 20,
        db: Database | None = None,
    ) -> SyncReport:
        """One run with a fresh client."""
        run = self.run(seconds=seconds, options=options, lease=lease, timeout=timeout, db=db)
        return sync_contacts(run, full=full, after=after)

    def run(
        self,
        *,
        seconds: float = 600,
        options: SyncOptions | None = None,
        lease: RunLease | None = None,
        timeout: float = 20,
        db: Database | None = None,
    ) -> SyncContext:
        """A run that was not started."""
        return SyncContext(
            db or self.db,
            self.mautic(timeout),
            lease or FreeLease(),
            options or SyncOptions(pause_seconds=0),
            lambda: self.now,
            Deadline.after(seconds),
            SyncReport(self.now),
            sleep=self.pauses.append,
        )

    def mautic(self, timeout: float = 20) -> Mautic:
        """A client with its own token."""
        return Mautic(HttpClient(self.simulator.url, timeout=(5, timeout)), *CLIENT)

    def sql(self, text: str, **values: SqlValue) -> list[Row]:
        """Any statement, as the business would send it."""
        return self.db.run(Query.parse("test", "test", text), **values)

    def customer(
        self,
        email: str | None,
        *,
        segments: tuple[str, ...] = (),
        orders: int | None = 3,
        spent: str | None = "120.50",
        opt_in: bool | None = True,
        created_days_ago: int = 100,
        **profile: Any,
    ) -> UUID:
        """Insert one customer."""
        self.made += 1
        customer_id = uuid.uuid5(uuid.NAMESPACE_OID, f"customer {self.made}")
        created = self.now - timedelta(days=created_days_ago)
        columns: dict[str, Any] = {"first_name": "Ana", "last_name": "Silva", "lead_score": 16} | profile
        names = ", ".join(columns)
        marks = ", ".join(f":{name}" for name in columns)
        self.sql(
            f"""insert into customer_profiles (id, marketing_opt_in, created_at, {names})
                values (:id, :opt, :at, {marks})""",
            id=customer_id,
            opt=opt_in,
            at=created,
            **columns,
        )
        if email is not None:
            self.sql(
                "insert into customer_emails (customer_id, email, is_primary) values (:id, :email, true)",
                id=customer_id,
                email=email,
            )
        self.sql(
            """insert into customer_engagement_metrics (customer_id, lifetime_orders, lifetime_net, last_order_at)
               values (:id, :orders, :spent::text::numeric, :at)""",
            id=customer_id,
            orders=orders,
            spent=spent,
            at=self.now - timedelta(days=10),
        )
        for slug in segments:
            self.join(customer_id, slug)
        return customer_id

    def join(self, customer_id: UUID, slug: str) -> None:
        """Membership here."""
        self.sql("insert into segments (slug, name) values (:slug, :slug) on conflict do nothing", slug=slug)
        self.sql(
            "insert into customer_segment_links select :id, id from segments where slug = :slug on conflict do nothing",
            id=customer_id,
            slug=slug,
        )

    def leave(self, customer_id: UUID, slug: str) -> None:
        """No membership here."""
        self.sql(
            """delete from customer_segment_links
               where customer_id = :id and segment_id = (select id from segments where slug = :slug)""",
            id=customer_id,
            slug=slug,
        )

    def set_profile(self, customer_id: UUID, **columns: SqlValue) -> None:
        """Change columns of one profile."""
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        self.sql(f"update customer_profiles set {changes} where id = :id", id=customer_id, **columns)

    def status(self, customer_id: UUID) -> Row:
        """The status row; empty where there is none."""
        rows = self.sql("select * from mautic_sync_status where customer_id = :id", id=customer_id)
        return rows[0] if rows else {}

    def contact(self, customer_id: UUID) -> Any:
        """The one contact in Mautic that carries this customer's id; None where there is none."""
        found = [
            each for each in self.simulator.contacts.values() if each.fields.get("supabase_id") == str(customer_id)
        ]
        assert len(found) <= 1, "one customer, several contacts"
        return found[0] if found else None

    def disagreements(self) -> list[str]:
        """What Mautic has and should not have, and the other way round; by customer id, without personal data."""
        return disagreements(self.db, self.simulator)
