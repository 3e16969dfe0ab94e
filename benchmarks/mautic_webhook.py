"""What a delivery of Mautic costs, through the handler in this process and into PostgreSQL."""

import itertools
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.customers import confirm_everybody, email_of, insert_customers
from benchmarks.figures import Figure, Subject, median, percentiles
from benchmarks.function_settings import function_settings
from benchmarks.servers import Login, Servers
from mautic_webhook import wiring
from mautic_webhook.handler import handler
from tests.support.customers.mautic_hooks import SECRET, deleted, delivery, http_event, opened, subscription
from tests.support.platform.counting_proxy import CountingProxy

EVENTS = 10
_CUSTOMERS = 2000
_COUNTED_DELIVERIES = 5
_RUNS = 7
_DELIVERIES_A_RUN = 100
_SINGLE_DELIVERIES = 1000
_SETTINGS = {"MAUTIC_WEBHOOK_SECRET": SECRET}

HttpEvent = dict[str, Any]


def count_round_trips(login: Login, deliveries: int = _COUNTED_DELIVERIES) -> list[int]:
    """The client's messages to PostgreSQL for each delivery of ten events with all their effects."""
    with login.as_owner() as owner:
        insert_customers(owner, EVENTS * deliveries)
        confirm_everybody(owner)
    with CountingProxy(login.url) as proxy, function_settings(wiring.installation, proxy.url, _SETTINGS):
        deliver(http_event(delivery(email_on_open=[_open(1, "warm")])), 1)
        return [_round_trips(proxy, first) for first in range(1, EVENTS * deliveries, EVENTS)]


def deliver(event: HttpEvent, expected: int) -> float:
    """Seconds that the handler took. Raises where it did not apply exactly the `expected` number of events."""
    began = time.perf_counter()
    response = handler(event, None)
    seconds = time.perf_counter() - began
    answer = json.loads(response["body"])
    if response["statusCode"] != 200 or answer["events_processed"] != expected:
        raise RuntimeError(f"the delivery was not applied: {answer}")
    return seconds


def _round_trips(proxy: CountingProxy, first: int) -> int:
    event = _with_all_effects(first)
    proxy.forget()
    deliver(event, EVENTS)
    return len(proxy.queries) + len(proxy.other_messages)


def _with_all_effects(first: int) -> HttpEvent:
    """Opens, an unsubscribe, bounces, a manual opt-out and a deleted contact, of ten customers from `first` on."""
    changes = [
        subscription(contact_id=number, email=email_of(number), new=new)
        for number, new in enumerate(["unsubscribed", "bounced", "manual", "bounced"], start=first)
    ]
    opens = [_open(number, f"all-{number}") for number in range(first + 4, first + 9)]
    body = delivery(
        lead_channel_subscription_changed=changes, email_on_open=opens, lead_post_delete=[deleted(first + 9)]
    )
    return http_event(body)


def _open(contact_id: int, tracking: str) -> Any:
    return opened(contact_id=contact_id, email=email_of(contact_id), tracking=tracking)


def _deliveries(numbers: Iterator[int], *, opens: int, changes: int, count: int) -> list[HttpEvent]:
    """Signed requests, no event of which was there before; `numbers` goes on from one call to the next."""
    return [http_event(_body(numbers, opens, changes)) for _ in range(count)]


def _body(numbers: Iterator[int], opens: int, changes: int) -> bytes:
    """Of different customers; the changes are an unsubscribe and a bounce in turn."""
    open_events = [_open(_contact(number), f"t{number}") for number in itertools.islice(numbers, opens)]
    change_events = [
        subscription(contact_id=_contact(number), email=email_of(_contact(number)), new=new, at=_moment(number))
        for number, new in zip(itertools.islice(numbers, changes), itertools.cycle(["unsubscribed", "bounced"]))
    ]
    present = {"email_on_open": open_events, "lead_channel_subscription_changed": change_events}
    return delivery(**{name: events for name, events in present.items() if events})


def _contact(number: int) -> int:
    return number % _CUSTOMERS + 1


def _moment(number: int) -> str:
    return f"2026-11-20T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}+00:00"


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        yield median("mautic_webhook.round_trips", "per delivery of 10 events", count_round_trips(login))
    with servers.database() as login, login.as_owner() as owner:
        insert_customers(owner, _CUSTOMERS)
        confirm_everybody(owner)
        with function_settings(wiring.installation, login.url, _SETTINGS):
            yield from _times()


def _times() -> Iterator[Figure]:
    numbers = itertools.count()
    for event in _deliveries(numbers, opens=8, changes=2, count=20):  # warms caches up, here and in the server
        deliver(event, EVENTS)
    runs = [_run(_deliveries(numbers, opens=8, changes=2, count=_DELIVERIES_A_RUN), EVENTS) for _ in range(_RUNS)]
    rates = [EVENTS * len(run) / sum(run) for run in runs]
    yield Figure("mautic_webhook.events_per_s", statistics.median(rates), "events/s, one environment", len(runs))
    yield from percentiles("mautic_webhook.", "ms per delivery of 10 events", list(itertools.chain(*runs)))
    single = _run(_deliveries(numbers, opens=1, changes=0, count=_SINGLE_DELIVERIES), 1)
    yield from percentiles("mautic_webhook.one_event_", "ms per delivery of 1 event", single)


def _run(events: list[HttpEvent], expected: int) -> list[float]:
    return [deliver(event, expected) for event in events]


SUBJECT = Subject(
    (
        "mautic_webhook.round_trips",
        "mautic_webhook.events_per_s",
        "mautic_webhook.p50_ms",
        "mautic_webhook.p99_ms",
        "mautic_webhook.one_event_p50_ms",
        "mautic_webhook.one_event_p99_ms",
    ),
    _measure,
)
