"""What a batch of steps costs, how fast steps are done, how long a million take to begin, and what an event costs."""

import itertools
import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest
from unittest.mock import patch
from uuid import UUID, uuid4

from benchmarks.figures import Figure, Subject, median, percentiles
from benchmarks.servers import ROOT, Login, Servers
from crm_relay.campaigns.engine.run_due_steps import BATCH, EngineContext, EngineReport, run_due_steps
from crm_relay.campaigns.lifecycle.change_campaign import activate
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import Query
from crm_relay.providers.resend.client import Resend
from local.simulators.resend import ResendSimulator
from resend_webhook import wiring
from resend_webhook.handler import handler
from tests.support.platform.counting_proxy import CountingProxy

_NOWHERE = "http://127.0.0.1:9"
_SECRET = b"a secret of 24 bytes...."
# A Wednesday, 10:00 in New York.
_NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
_BATCHES = 10
_STEPS = 5000
_WRITTEN = Query.parse("written", "where its log ends", "select pg_current_wal_insert_lsn() - '0/0' as bytes")
_MILLION = 1_000_000
_EVENTS = 1500

_PEOPLE = """
    with person as (
        insert into contacts (email, first_name, timezone)
        select
            'p' || n || '@example.com', 'P' || n,
            (array['America/New_York', 'Europe/Berlin', 'Asia/Tokyo', 'Australia/Sydney', null])[n % 5 + 1]
        from generate_series(1, {number}) n
        returning id, email
    )
    insert into campaign_enrollments (org_id, campaign_id, contact_id, address, next_step_at)
    select default_org_id(), '{campaign}', id, email, {due} from person"""


@dataclass(frozen=True)
class BatchCost:
    """Of one full batch, without what a run costs that finds nothing."""

    statements: float
    requests: float


def _plant(
    owner: Database, *, people: int, channel: str = "email", due: datetime | None = _NOW, **columns: str
) -> UUID:
    """One campaign of one step; without the organization's limits."""
    campaign = uuid4()
    more = {"status": "active", "use_recipient_timezone": "false"} | columns
    values = ", ".join(f"'{each}'" for each in more.values())
    owner.run_script(
        f"""update organizations set postal_address = '1 Example Street';
            insert into email_identities (org_id, from_address, is_default)
            values (default_org_id(), 'sender@example.com', true) on conflict do nothing;
            insert into delivery_limits (org_id, emails_per_minute) values (default_org_id(), null)
            on conflict do nothing;
            insert into campaigns (id, org_id, name, {", ".join(more)})
            values ('{campaign}', default_org_id(), 'Bench {campaign}', {values});
            insert into campaign_sequences (campaign_id, step_number, channel, subject, body_html)
            values ('{campaign}', 1, '{channel}', 'Hello {{{{contact.first_name}}}}', '<p>Hello</p>')"""
    )
    owner.run_script(_PEOPLE.format(number=people, campaign=campaign, due="null" if due is None else f"'{due}'"))
    owner.run_script("analyze contacts; analyze campaign_enrollments")
    return campaign


def _run(database: Database, simulator: ResendSimulator) -> EngineReport:
    return do_all_steps(database, simulator.url, simulator.sending_key)


def do_all_steps(database: Database, resend_url: str, key: str) -> EngineReport:
    """What one worker does."""
    http = HttpClient(resend_url, timeout=(2.0, 20.0), repeats=0)
    context = EngineContext(Resend(http, key), SendPolicy(Mode.LIVE), "https://api.example.com")
    return run_due_steps(database, context, lambda: _NOW, Deadline.after(600))


def measure_batches(login: Login, *, batches: int) -> BatchCost:
    """Statements and requests of a full batch of e-mails."""
    with ResendSimulator(requests_per_second=None) as simulator, CountingProxy(login.url) as proxy:
        database = Database(proxy.url)
        try:
            with login.as_owner() as owner:
                _plant(owner, people=1)
                _run(database, simulator)
                # What a run costs besides its batches, one of them with mail.
                proxy.forget()
                _run(database, simulator)
                idle = len(proxy.queries)
                _plant(owner, people=batches * BATCH)
            before = sum(simulator.requests.values())
            proxy.forget()
            report = _run(database, simulator)
            if report.mail.sent != batches * BATCH:
                raise RuntimeError("not everything was sent")
            requests = sum(simulator.requests.values()) - before
            return BatchCost((len(proxy.queries) - idle) / batches, requests / batches)
        finally:
            database.close()


def _measure_engine(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        cost = measure_batches(login, batches=_BATCHES)
        yield Figure("campaign_cron.statements_per_batch_of_100", cost.statements, "per batch", _BATCHES)
        yield Figure("campaign_cron.requests_per_100_emails", cost.requests, "per 100 e-mails", _BATCHES)
    for name, channel in (("steps_per_s", "email"), ("task_steps_per_s", "task")):
        with servers.database() as login, ResendSimulator(requests_per_second=None) as simulator:
            with login.as_owner() as owner:
                _plant(owner, people=_STEPS, channel=channel)
            database = Database(login.url, timeout=60)
            began = time.perf_counter()
            done = _run(database, simulator).claimed
            seconds = time.perf_counter() - began
            database.close()
            if done != _STEPS:
                raise RuntimeError("not everything was done")
            yield Figure(f"campaign_cron.{name}", _STEPS / seconds, "steps/s, one worker", 1)


def _measure_two_workers(servers: Servers) -> Iterator[Figure]:
    """Two processes, as two invocations are; what they write to the log of the database is counted too."""
    with servers.database() as login, ResendSimulator(requests_per_second=None) as simulator:
        with login.as_owner() as owner:
            _plant(owner, people=2 * _STEPS)
            before = int(owner.run(_WRITTEN)[0]["bytes"])
        command = [sys.executable, "-m", "benchmarks.engine_process", login.url, simulator.url, simulator.sending_key]
        with ExitStack() as ends:
            workers = [ends.enter_context(_worker(command)) for _ in range(2)]
            began = time.perf_counter()
            for worker in workers:
                _say(worker)
            done = sum(int(_line_of(worker)) for worker in workers)
            seconds = time.perf_counter() - began
        with login.as_owner() as owner:
            written = int(owner.run(_WRITTEN)[0]["bytes"]) - before
    if done != 2 * _STEPS:
        raise RuntimeError("not everything was done")
    yield Figure("campaign_cron.steps_per_s_two_workers", done / seconds, "steps/s of e-mails, two workers", 1)
    yield Figure("campaign_cron.wal_bytes_per_step", written / done, "bytes of the database's log per e-mail", 1)


@contextmanager
def _worker(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """One that is connected and waits for a line."""
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        try:
            _line_of(worker)
            yield worker
        finally:
            worker.kill()


def _say(worker: subprocess.Popen[str]) -> None:
    if worker.stdin is not None:
        worker.stdin.write("go\n")
        worker.stdin.flush()


def _line_of(worker: subprocess.Popen[str]) -> str:
    line = worker.stdout.readline() if worker.stdout is not None else ""
    if not line:
        raise RuntimeError("a worker ended")
    return line


def _measure_activation(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        with login.as_owner() as owner:
            campaign = _plant(owner, people=_MILLION, due=None, status="draft", use_recipient_timezone="true")
        database = Database(login.url, timeout=600)
        began = time.perf_counter()
        scheduled = activate(database, campaign, _NOW).scheduled
        seconds = time.perf_counter() - began
        database.close()
        if scheduled != _MILLION:
            raise RuntimeError("not everybody got a time")
        yield Figure("campaign_cron.schedule_1m_seconds", seconds, "s for 1,000,000 people in 5 zones", 1)


@contextmanager
def function_settings(database_url: str) -> Iterator[None]:
    """resend_webhook in this process, on this database. AWS is away: a delivery that goes well never asks it."""
    settings = {
        "DATABASE_URL": database_url,
        "RESEND_WEBHOOK_SECRET": f"whsec_{b64encode(_SECRET).decode()}",
        "DEFERRED_QUEUE_URL": f"{_NOWHERE}/123456789012/deferred",
        "OVERSIZE_BUCKET": "oversize",
        "COORDINATION_TABLE": "coordination",
        "AWS_ENDPOINT_URL": _NOWHERE,
        "CRM_RELAY_SECRET_ID": "",
    }
    with patch.dict(os.environ, settings):
        wiring.installation.forget()
        try:
            yield
        finally:
            wiring.installation.forget()


def delivered(send: UUID, number: int) -> float:
    """Seconds that the handler took for one event of a campaign's mail."""
    kind = ("email.delivered", "email.opened", "email.clicked")[number % 3]
    now = utc_now()
    data = {
        "email_id": str(send),
        "created_at": now.isoformat(),
        "from": "sender@example.com",
        "to": ["p1@example.com"],
        "subject": "Hello",
        "message_id": f"<{send}@email.example.com>",
        "tags": {"send": str(send)},
        "click": {"link": "https://www.example.com/", "timestamp": now.isoformat(), "userAgent": "Mozilla/5.0"},
    }
    body = json.dumps({"type": kind, "created_at": now.isoformat(), "data": data})
    stamp = str(int(now.timestamp()))
    signed = b64encode(digest(_SECRET, f"m{number}.{stamp}.{body}".encode(), sha256)).decode()
    headers = {"content-type": "application/json", "svix-id": f"m{number}", "svix-timestamp": stamp}
    event = {
        "rawPath": "/webhooks/resend",
        "headers": headers | {"svix-signature": f"v1,{signed}"},
        "requestContext": {"http": {"method": "POST"}},
        "body": body,
    }
    began = time.perf_counter()
    response = handler(event, None)
    seconds = time.perf_counter() - began
    if response["statusCode"] != 200 or json.loads(response["body"])["events_processed"] != 1:
        raise RuntimeError("the delivery was not applied")
    return seconds


def _sent(login: Login, people: int) -> list[UUID]:
    """Mails of a campaign that are out."""
    with ResendSimulator(requests_per_second=None) as simulator, login.as_owner() as owner:
        _plant(owner, people=people)
        _run(owner, simulator)
        rows = owner.run(Query("sends", "asked in a benchmark", ("select id from email_sends order by id",)))
        return [row["id"] for row in rows]


def count_round_trips(login: Login, *, deliveries: int) -> list[float]:
    """To the database, of each delivery of one event."""
    numbers = itertools.count(1)
    sends = _sent(login, 4)
    counts = []
    with CountingProxy(login.url) as proxy, function_settings(proxy.url):
        delivered(sends[0], next(numbers))
        for _ in range(deliveries):
            proxy.forget()
            number = next(numbers)
            delivered(sends[number % len(sends)], number)
            counts.append(float(len(proxy.queries) + len(proxy.other_messages)))
    return counts


def _measure_webhook(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        yield median("resend_webhook.round_trips", "per delivery of 1 event", count_round_trips(login, deliveries=12))
    with servers.database() as login:
        sends = _sent(login, 400)
        with function_settings(login.url):
            seconds = [delivered(sends[number // 4 % 400], number) for number in range(_EVENTS + 100)][100:]
    yield from percentiles("resend_webhook.", "ms per delivery of 1 event", seconds)


def _measure(servers: Servers) -> Iterator[Figure]:
    yield from _measure_engine(servers)
    yield from _measure_two_workers(servers)
    yield from _measure_webhook(servers)
    yield from _measure_activation(servers)


SUBJECT = Subject(
    (
        "campaign_cron.statements_per_batch_of_100",
        "campaign_cron.requests_per_100_emails",
        "campaign_cron.steps_per_s",
        "campaign_cron.task_steps_per_s",
        "campaign_cron.steps_per_s_two_workers",
        "campaign_cron.wal_bytes_per_step",
        "campaign_cron.schedule_1m_seconds",
        "resend_webhook.round_trips",
        "resend_webhook.p50_ms",
        "resend_webhook.p99_ms",
    ),
    _measure,
)
