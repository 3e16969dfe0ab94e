"""Notifications: what a thousand recipients cost, how fast deliveries and digests leave, what an idle tick asks."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from benchmarks.figures import Figure, Subject
from benchmarks.servers import Login, Servers
from crm_relay.incidents.send_alerts import send_alerts
from crm_relay.mail.models import Identity, SendPolicy
from crm_relay.notifications.models import NotificationRequest, Recipients
from crm_relay.notifications.notify import NotifyReport, notify
from crm_relay.notifications.release.context import ReleaseContext
from crm_relay.notifications.release.release_deliveries import ReleasedBatch, release_deliveries
from crm_relay.notifications.release.release_digests import ReleasedDigests, release_digests
from crm_relay.notifications.release.run_due_deliveries import BATCH, DIGESTS, ReleaseReport, run_due_deliveries
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.platform.fence.clone_fence import is_armed
from crm_relay.platform.sql import Query
from crm_relay.providers.email import NoEmailProvider
from crm_relay.providers.slack.client import Slack
from tests.support.platform.counting_proxy import CountingProxy

_NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
_RECIPIENTS, _DELIVERIES, _READERS, _LINES = 1_000, 20_000, 10_000, 3
_PEOPLE = """
    insert into user_profiles (id, org_id, email)
    select gen_random_uuid(), default_org_id(), 'p' || number || '@example.com'
    from generate_series(1, {number}) as number;
    insert into notification_preferences (org_id, user_id, category, channels, frequency)
    select org_id, id, 'assignment', '["in_app", "email"]', '{frequency}' from user_profiles;
    analyze user_profiles; analyze notification_preferences
"""
_ORGANIZATION = Query.parse("organization", "whose people they are", "select default_org_id() as id")
_VALUES = {"task": {"title": "Call Ada"}, "assigner": {"name": "Grace"}}
_ALLOWED = frozenset({"@nobody.example.org"})


def _plant(login: Login, *, people: int, frequency: str = "immediate") -> None:
    with login.as_owner() as owner:
        owner.run_script(_PEOPLE.format(number=people, frequency=frequency))


def _announce(database: Database, events: int = 1) -> NotifyReport:
    """Everybody hears of each."""
    org = database.run(_ORGANIZATION)[0]["id"]
    requests = [
        NotificationRequest(org, f"bench:{event}", Recipients(everybody=True), "task_assigned", _VALUES)
        for event in range(events)
    ]
    return database.transact(lambda tx: notify(tx, requests, _NOW))


def _context() -> ReleaseContext:
    """Without the provider: SEND_MODE is dry-run, so that the gate settles every mail."""
    sender = Identity(id=None, from_address="crm@example.com")
    policy = SendPolicy(allow_list=_ALLOWED).for_colleagues()
    return ReleaseContext(NoEmailProvider(), policy, "https://api.example.com", sender, Slack, time.sleep)


def _release(database: Database, now: datetime) -> ReleaseReport:
    return run_due_deliveries(database, _context(), lambda: now, Deadline.after(600))


def _decide_all(login: Login) -> float:
    """Seconds until every delivery is claimed, decided, in the ledger of mail and recorded; nothing of it sent yet."""
    database, done = Database(login.url, timeout=60), 0
    began = time.perf_counter()
    while done < _DELIVERIES:
        batch = ReleasedBatch()
        database.transact(lambda tx, one=batch: release_deliveries(tx, _context(), _NOW, one, limit=BATCH))  # type: ignore[misc]
        if not batch.claimed:
            raise RuntimeError("not everything was released")
        done += len(batch.claimed)
    seconds = time.perf_counter() - began
    database.close()
    return seconds


def count_notify_statements(login: Login) -> int:
    """Of one request to a thousand people, each with a digest; the commit is no statement of ours."""
    _plant(login, people=_RECIPIENTS, frequency="daily_digest")
    with CountingProxy(login.url) as proxy:
        database = Database(proxy.url)
        database.run(_ORGANIZATION)
        proxy.forget()
        report = _announce(database)
        # The look-up of the organization before, and the commit behind.
        statements = len(proxy.queries) - 2
        database.close()
    if len(report.created) != _RECIPIENTS:
        raise RuntimeError("not everybody was notified")
    return statements


def count_idle_statements(login: Login) -> int:
    """Of a tick that finds nothing: the look for what is due, the fence, and the look for alerts."""
    with CountingProxy(login.url) as proxy:
        database = Database(proxy.url)
        _release(database, _NOW)
        proxy.forget()
        if not _release(database, _NOW).is_idle:
            raise RuntimeError("something was due")
        is_armed(database)
        send_alerts(database, [_Nowhere()], _NOW)
        statements = len(proxy.queries)
        database.close()
    return statements


class _Nowhere:
    """A channel to which nothing is sent, since nothing is wrong."""

    name = "nowhere"

    def send(self, _message: object) -> None:
        raise AssertionError("nothing is wrong")


def _gather_all(login: Login) -> float:
    """Seconds until every digest is written and in the ledger of mail."""
    database, done, now = Database(login.url, timeout=60), 0, _NOW + timedelta(hours=1)
    began = time.perf_counter()
    while done < _READERS:
        batch = ReleasedDigests()
        database.transact(lambda tx, one=batch: release_digests(tx, _context(), now, one, limit=DIGESTS))  # type: ignore[misc]
        if not batch.claimed:
            raise RuntimeError("not every digest was written")
        done += batch.fates["queued"]
    seconds = time.perf_counter() - began
    database.close()
    return seconds


def _seconds(login: Login, now: datetime, expected: int) -> float:
    database = Database(login.url, timeout=60)
    began = time.perf_counter()
    done = _release(database, now)
    seconds = time.perf_counter() - began
    database.close()
    if done.mail.dry_run != expected:
        raise RuntimeError("not everything was released")
    return seconds


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        count = count_notify_statements(login)
        yield Figure("notify.statements_per_1000_recipients", count, "per 1,000 recipients", 1)
    with servers.database() as login:
        yield Figure("notification_cron.idle_statements", count_idle_statements(login), "per tick", 1)
    with servers.database() as login:
        _plant(login, people=_DELIVERIES // 20)
        database = Database(login.url, timeout=60)
        _announce(database, 20)
        database.close()
        queued, sent = _decide_all(login), _seconds(login, _NOW, _DELIVERIES)
        whole = "deliveries/s from due to settled, one worker"
        yield Figure("notification_cron.deliveries_per_s", _DELIVERIES / (queued + sent), whole, 1)
        yield Figure("notification_cron.queued_per_s", _DELIVERIES / queued, "deliveries/s from due into the ledger", 1)
        yield Figure("notification_cron.mails_per_s", _DELIVERIES / sent, "mails/s from the ledger to settled", 1)
    with servers.database() as login:
        _plant(login, people=_READERS, frequency="hourly_digest")
        database = Database(login.url, timeout=60)
        _announce(database, _LINES)
        database.close()
        seconds = _gather_all(login)
        yield Figure("notification_cron.digest_10k_users_seconds", seconds, "s until 10,000 are queued", 1)


SUBJECT = Subject(
    (
        "notify.statements_per_1000_recipients",
        "notification_cron.idle_statements",
        "notification_cron.deliveries_per_s",
        "notification_cron.queued_per_s",
        "notification_cron.mails_per_s",
        "notification_cron.digest_10k_users_seconds",
    ),
    _measure,
)
