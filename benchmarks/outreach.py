"""What a delivery of EmailBison costs, what a poll costs, and how fast health and provider questions are answered."""

import itertools
import json
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, Subject, median, percentiles
from benchmarks.function_settings import function_settings
from benchmarks.servers import Login, Servers
from bison_webhook import wiring
from bison_webhook.handler import handler
from crm_relay.outreach.polling.poll_accounts import AccountPoll
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database, Row
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.sql import Query, SqlValue
from crm_relay.providers.bison.client import Bison
from local.simulators.bison import BisonSimulator
from tests.support.platform.counting_proxy import CountingProxy

_INSTANCE = "https://send.example.com"
_WORKSPACES = 24
_DELIVERIES = 1500
_ACCOUNTS = 1005
_RUNS = 7

_MILLION = """
    insert into webhook_delivery_slots (workspace_name, slot, deliveries, successes, last_at)
    select
        'W' || (n % 24), date_bin('5 minutes', now(), '2000-01-01') - (n / 24) * interval '5 minutes', 145, 144, now()
    from generate_series(0, 24 * 288 - 1) n;
    insert into webhook_delivery_log (
        event_type, workspace_name, success, processing_time_ms, created_at, event_key, is_first, metric, amount,
        occurred_at, sender_email_id
    )
    select
        'email_sent', 'W' || (n % 24), true, 5, at, 'k' || n, true, 'emails_sent_mtd', 1, at, n % 4000
    from generate_series(1, 1000000) n, lateral (select now() - n * interval '86 milliseconds' as at) moment;
    insert into provider_performance_history (
        snapshot_date, workspace_name, email_provider, total_accounts, sent_since, replies_since
    )
    select current_date - d, 'W' || w, p, 80, 4000, 40
    from generate_series(0, 364) d, generate_series(0, 23) w, unnest(array['Gmail', 'Outlook', 'Other']) p;
    analyze webhook_delivery_slots; analyze webhook_delivery_log; analyze provider_performance_history"""


def _token(number: int) -> str:
    return f"workspace-token-{number:04}-of-32-letters"


SETTINGS = {
    "BISON_INSTANCE_URL": _INSTANCE,
    "BISON_WEBHOOK_TOKENS": json.dumps({f"W{number}": _token(number) for number in range(_WORKSPACES)}),
}


def delivered(number: int, workspace: int) -> float:
    """Seconds that the handler took for one KPI event that was never there before."""
    kind = ("EMAIL_SENT", "EMAIL_SENT", "EMAIL_SENT", "LEAD_REPLIED", "LEAD_INTERESTED", "EMAIL_BOUNCED")[number % 6]
    lead = {"id": number % 500, "email": f"lead{number % 500}@example.com", "first_name": "Jo", "company": "Example"}
    body = {
        "event": {"type": kind, "workspace_id": workspace + 1, "workspace_name": "main", "instance_url": _INSTANCE},
        "data": {
            "campaign_event": {"id": number, "created_at": "2026-11-20T10:00:00Z"},
            "lead": lead,
            "reply": {"id": number, "uuid": f"u{number}", "from_email_address": lead["email"], "text_body": "x" * 3000},
            "sender_email": {"id": number % 40, "email": "sender@example.com", "status": "connected"},
        },
    }
    event = {
        "rawPath": f"/webhooks/bison/{_token(workspace)}",
        "pathParameters": {"token": _token(workspace)},
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST"}},
        "body": json.dumps(body),
    }
    began = time.perf_counter()
    response = handler(event, None)
    seconds = time.perf_counter() - began
    if response["statusCode"] != 200 or json.loads(response["body"])["events_processed"] != 1:
        raise RuntimeError("the delivery was not applied")
    return seconds


def plant_workspaces(login: Login) -> None:
    """Those that the tokens of `SETTINGS` are of."""
    with login.as_owner() as owner:
        owner.run_script(
            f"""insert into workspaces (org_id, name, bison_workspace_id, bison_instance_url)
                select default_org_id(), 'W' || n, n + 1, '{_INSTANCE}' from generate_series(0, {_WORKSPACES - 1}) n"""
        )


def _measure_webhook(servers: Servers) -> Iterator[Figure]:
    numbers = itertools.count(1)
    with servers.database() as login:
        plant_workspaces(login)
        with CountingProxy(login.url) as proxy, function_settings(wiring.dependencies, proxy.url, SETTINGS):
            delivered(next(numbers), 0)
            counts = []
            for _ in range(12):
                proxy.forget()
                delivered(next(numbers), 0)
                counts.append(len(proxy.queries) + len(proxy.other_messages))
        yield median("bison_webhook.round_trips", "per delivery of 1 event", counts)
        with function_settings(wiring.dependencies, login.url, SETTINGS):
            for _ in range(200):
                delivered(next(numbers), 0)
            one = [delivered(next(numbers), 0) for _ in range(_DELIVERIES)]
            several = [delivered(next(numbers), number % _WORKSPACES) for number in range(_DELIVERIES)]
    yield from percentiles("bison_webhook.", "ms per delivery of 1 event", one)
    rates = {"": one, "_24_workspaces": several}
    for suffix, seconds in rates.items():
        rate = len(seconds) / sum(seconds)
        yield Figure(f"bison_webhook.events_per_s{suffix}", rate, "events/s, one environment", len(seconds))


def _measure_poll(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login, BisonSimulator() as simulator, login.as_owner() as owner:
        workspace = simulator.workspace("W0")
        simulator.add_accounts(workspace, _ACCOUNTS)
        statements = _Counting(owner)
        bison = Bison(HttpClient(simulator.url), workspace.token, workspace.id)
        poll = AccountPoll(statements, bison, "W0", "127.0.0.1", utc_now, Deadline.after(600))
        poll.run()
        yield Figure(
            "bison_poll.statements_per_1000_accounts", 1000 * statements.count / _ACCOUNTS, "per 1,000 accounts", 1
        )


class _Counting:
    """Passes statements on."""

    def __init__(self, db: Database) -> None:
        self._db, self.count = db, 0

    def run(self, query: Query, **values: SqlValue) -> list[Row]:
        self.count += 1
        return self._db.run(query, **values)


def _measure_questions(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        plant_workspaces(login)
        with login.as_owner() as owner:
            owner.run_script(_MILLION)
        database = Database(login.url, timeout=60)
        try:
            yield _answered(database, "webhook_health_ms_1m_deliveries", "select * from webhook_health")
            yield _answered(
                database, "provider_drop_check_ms", "select * from check_provider_reply_rate_drop(20, 7, 200)"
            )
        finally:
            database.close()


def _answered(database: Database, name: str, text: str) -> Figure:
    query = Query.parse("question", "asked in a benchmark", text)
    return median(name, "ms per question", [_milliseconds(database, query) for _ in range(_RUNS)])


def _milliseconds(database: Database, query: Query) -> float:
    began = time.perf_counter()
    database.run(query)
    return 1000 * (time.perf_counter() - began)


def _measure(servers: Servers) -> Iterator[Figure]:
    yield from _measure_webhook(servers)
    yield from _measure_poll(servers)
    yield from _measure_questions(servers)


SUBJECT = Subject(
    (
        "bison_webhook.round_trips",
        "bison_webhook.p50_ms",
        "bison_webhook.p99_ms",
        "bison_webhook.events_per_s",
        "bison_webhook.events_per_s_24_workspaces",
        "bison_poll.statements_per_1000_accounts",
        "webhook_health_ms_1m_deliveries",
        "provider_drop_check_ms",
    ),
    _measure,
)
