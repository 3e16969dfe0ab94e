"""Colleagues, a simulated Resend and Slack, and a clock that stands until a test moves it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from crm_relay.mail.models import Identity, Mode, SendPolicy
from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.models import NotificationRequest, Recipients
from crm_relay.notifications.notify import NotifyReport, notify
from crm_relay.notifications.release.context import ReleaseContext
from crm_relay.notifications.release.run_due_deliveries import ReleaseReport, run_due_deliveries
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import NoAnswer
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import Json, SqlValue
from crm_relay.providers.resend.client import Resend
from crm_relay.providers.text import TextProvider
from local.simulators.resend import ResendSimulator
from tests.support.platform.rows import one, parse, rows_of

WEDNESDAY = datetime(2026, 11, 18, 15, tzinfo=UTC)
"""A moment at which nobody has quiet hours."""

PUBLIC_URL = "https://api.example.com"
LINKS = LinkRules("https://crm.example.com", frozenset({"docs.example.com"}))
SENDER = Identity(id=None, from_address="crm@example.com", from_name="CRM")
LIVE = SendPolicy(Mode.LIVE).for_colleagues()
ASSIGNED = {"task": {"title": "Call Ada"}, "assigner": {"name": "Grace"}}
"""What the system's template task_assigned needs."""


@dataclass
class NotificationHarness:
    """`time` holds everybody's clock, the simulated Resend's as well."""

    db: Database
    sim: ResendSimulator
    url: str
    time: list[datetime]
    policy: SendPolicy = LIVE
    sender: Identity | None = SENDER
    texts: TextProvider | None = None
    slept: list[float] = field(default_factory=list)
    posts: list[tuple[str, str, datetime]] = field(default_factory=list)
    slack_troubles: list[Exception] = field(default_factory=list)
    events: int = 0
    woken: int = 0

    def __post_init__(self) -> None:
        self.org: UUID = one(self.db, "select default_org_id() as id")["id"]

    @property
    def now(self) -> datetime:
        return self.time[0]

    def clock(self) -> datetime:
        return self.time[0]

    def wait(self, **length: float) -> None:
        """The clock moves."""
        self.time[0] += timedelta(**length)

    def context(self) -> ReleaseContext:
        emails = Resend(HttpClient(self.sim.url, timeout=(2, 10), repeats=0), self.sim.api_key)
        return ReleaseContext(
            emails, self.policy, PUBLIC_URL, self.sender, self.open_slack, self.sleep, texts=self.texts, links=LINKS
        )

    def open_slack(self, webhook_url: str) -> "KeptSlack":
        return KeptSlack(self, webhook_url)

    def webhook(self, address: str, user: UUID | None = None) -> UUID:
        """A channel of Slack, of a person or of the organization."""
        made: UUID = one(
            self.db,
            """insert into notification_slack_webhooks (org_id, user_id, webhook_url)
               values (:org, :user, :address) returning id""",
            org=self.org,
            user=user,
            address=address,
        )["id"]
        return made

    def posted(self, address: str) -> list[str]:
        """What stands in a channel."""
        return [text for url, text, _ in self.posts if url == address]

    def sleep(self, seconds: float) -> None:
        """Whoever waits for Slack moves the clock."""
        self.slept.append(seconds)
        self.wait(seconds=seconds)

    def tick(self, *, db: Database | None = None, seconds: float = 600) -> ReleaseReport:
        """One run with time enough."""
        return run_due_deliveries(db or self.db, self.context(), self.clock, Deadline.after(seconds))

    def person(self, name: str = "ada", *, org: UUID | None = None, **columns: SqlValue) -> UUID:
        """A colleague with an address."""
        given: dict[str, SqlValue] = {"id": uuid4(), "org_id": org or self.org, "email": f"{name}@example.com"}
        given |= columns
        names = ", ".join(given)
        values = ", ".join(f":{column}" for column in given)
        return UUID(
            str(one(self.db, f"insert into user_profiles ({names}) values ({values}) returning id", **given)["id"])
        )

    def prefer(self, user: UUID, category: str = "assignment", **columns: SqlValue) -> None:
        """What the person wants of the category; channels as a list."""
        given: dict[str, SqlValue] = {"channels": ["in_app", "email"], "quiet_hours_timezone": "UTC"}
        given |= columns
        given["channels"] = Json(given["channels"])
        names = ", ".join(given)
        values = ", ".join(f"cast(:{name} as {_TYPES.get(name, 'text')})" for name in given)
        updates = ", ".join(f"{name} = excluded.{name}" for name in given)
        rows_of(
            self.db,
            f"""insert into notification_preferences (org_id, user_id, category, {names})
                select org_id, id, :category, {values} from user_profiles where id = :user
                on conflict (user_id, category) do update set {updates}""",
            user=user,
            category=category,
            **given,
        )

    def request(self, *users: UUID, **details: Any) -> NotificationRequest:
        """A task is assigned to them, an event of its own."""
        self.events += 1
        given: dict[str, Any] = {
            "org_id": self.org,
            "event_key": f"event:{self.events}",
            "recipients": Recipients(users=users),
            "slug": "task_assigned",
            "variables": ASSIGNED,
        }
        return NotificationRequest(**(given | details))

    def notify(self, *requests: NotificationRequest) -> NotifyReport:
        """In a transaction of its own."""
        return self.db.transact(lambda tx: notify(tx, requests, self.now, links=LINKS, wake=self.wake))

    def notify_on(self, database: Database, requests: Sequence[NotificationRequest]) -> NotifyReport:
        """On a connection of its own."""
        return database.transact(lambda tx: notify(tx, requests, self.now, links=LINKS))

    def unread_count(self, user: UUID) -> int:
        """As the application asks for it."""

        def work(tx: Transaction) -> int:
            tx.run(parse("select set_config('app.user_id', :user, true)"), user=str(user))
            return int(tx.run(parse("select unread_notification_count() as unread"))[0]["unread"])

        return self.db.transact(work)

    def announce(self, *users: UUID, **details: Any) -> NotifyReport:
        """One request."""
        return self.notify(self.request(*users, **details))

    def wake(self) -> None:
        self.woken += 1

    def deliveries(self, user: UUID | None = None, channel: str = "email") -> list[Row]:
        """Of one channel, oldest first."""
        return rows_of(
            self.db,
            """select * from notification_deliveries
               where channel = :channel and (cast(:user as uuid) is null or user_id = :user) order by created_at, id""",
            channel=channel,
            user=user,
        )

    def states(self, user: UUID | None = None, channel: str = "email") -> list[tuple[str, str | None]]:
        """State and reason."""
        return [(row["state"], row["reason"]) for row in self.deliveries(user, channel)]

    def got(self, name: str = "ada") -> int:
        """How many mails Resend took for them."""
        return self.sim.sends[f"{name}@example.com"]

    def rows(self, sql: str, **values: SqlValue) -> list[Row]:
        return rows_of(self.db, sql, **values)

    def incidents(self) -> set[str]:
        """Kinds of those that are open."""
        return {row["kind"] for row in rows_of(self.db, "select kind from incidents where closed_at is null")}

    def delivery_status(self, user: UUID) -> list[Mapping[str, str]]:
        return [
            row["delivery_status"]
            for row in self.rows("select delivery_status from notifications where user_id = :user", user=user)
        ]


@dataclass
class KeptSlack:
    """Keeps what was posted, unless the next trouble is due; of NoAnswer the message arrives all the same."""

    crew: NotificationHarness
    webhook_url: str

    def post(self, text: str, blocks: Sequence[str | Mapping[str, Any]] | None = None) -> None:
        trouble = self.crew.slack_troubles.pop(0) if self.crew.slack_troubles else None
        if trouble is None or isinstance(trouble, NoAnswer):
            self.crew.posts.append((self.webhook_url, text, self.crew.now))
        if trouble is not None:
            raise trouble


_TYPES = {
    "channels": "jsonb",
    "dnd_enabled": "boolean",
    "dnd_until": "timestamptz",
    "digest_time": "time",
    "quiet_hours_enabled": "boolean",
    "quiet_hours_start": "time",
    "quiet_hours_end": "time",
    "email_unsubscribed": "boolean",
    "email_unsubscribed_at": "timestamptz",
}
