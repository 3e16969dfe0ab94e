"""Rows of Mautic's tables become the events that its webhook would have brought, under the same keys."""

from datetime import UTC, datetime
from typing import Any

from crm_relay.providers.mautic.statistics.mapping import clicks, opens
from crm_relay.providers.mautic.statistics.wire import HitRow, SendingRow
from crm_relay.providers.mautic.webhook import parse
from crm_relay.providers.mautic.wire_webhook import MauticEmail
from tests.support.customers.mautic_hooks import recorded

NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
# The rows behind 97_hook_email_on_open_second and 97_hook_click__page_on_hit, as the documentation shows such rows.
SENDING: dict[str, Any] = {
    "id": "1",
    "email_id": "1",
    "lead_id": "88",
    "email_address": "hook.one@example.com",
    "date_sent": "2026-11-20 12:21:56",
    "date_read": "2026-11-20 12:22:50",
    "last_opened": "2026-11-20 12:22:51",
    "tracking_hash": "6b003b649d535805858242",
    "open_count": "2",
    "viewed_in_browser": "0",
    "open_details": None,
}
HIT: dict[str, Any] = {"id": 1, "email_id": 1, "lead_id": 88, "date_hit": "2026-11-20 12:22:53", "url": "http://a/b"}


def details(*moments: str, agent: str = "Mozilla") -> str:
    """As PHP serializes open_details."""
    each = [
        f'i:{number};a:3:{{s:8:"datetime";s:19:"{at}";s:9:"useragent";s:{len(agent)}:"{agent}";s:9:"inBrowser";b:0;}}'
        for number, at in enumerate(moments)
    ]
    return f"a:{len(each)}:{{{''.join(each)}}}"


def opened(since: datetime = LONG_AGO, **changes: Any) -> list[tuple[str, str]]:
    events = opens(SendingRow.model_validate(SENDING | changes), MauticEmail(), since)
    return [(event.key.rpartition(":")[2], event.occurred_at.strftime("%H:%M:%S")) for event in events]


def test_opens_have_the_keys_contacts_and_times_of_the_recorded_deliveries() -> None:
    names = ("97_hook_email_on_open_first", "97_hook_email_on_open_second")
    sent = [event for name in names for event in parse(recorded(name).body, now=NOW).events]
    read = opens(SendingRow.model_validate(SENDING), MauticEmail(name="Lab mail"), LONG_AGO)
    parts = (
        "key",
        "kind",
        "occurred_at",
        "contact_id",
        "address",
        "email_id",
        "campaign_name",
        "sent_at",
        "in_browser",
    )
    assert [[getattr(each, part) for part in parts] for each in read] == [
        [getattr(each, part) for part in parts] for each in sent
    ]


def test_a_click_has_the_key_of_the_recorded_delivery() -> None:
    (sent,) = parse(recorded("97_hook_click__page_on_hit").body, now=NOW).events
    (read,) = clicks(HitRow.model_validate(HIT), MauticEmail(), LONG_AGO)
    assert (read.key, read.kind, read.occurred_at) == (sent.key, sent.kind, sent.occurred_at)
    assert (read.contact_id, read.email_id) == (sent.contact_id, sent.email_id)


def test_opens_between_the_first_and_the_last_are_known_where_the_details_agree_in_number() -> None:
    three = details("2026-11-20 12:22:50", "2026-11-20 12:30:00", "2026-11-20 12:40:00")
    last: dict[str, Any] = {"open_count": 3, "last_opened": "2026-11-20 12:40:00"}
    assert opened(**last, open_details=three) == [("1", "12:22:50"), ("2", "12:30:00"), ("3", "12:40:00")]
    assert opened(**last, open_details=None) == [("1", "12:22:50"), ("3", "12:40:00")]


def test_a_user_agent_that_looks_like_a_detail_is_not_believed() -> None:
    forged = details("2026-11-20 12:22:50", "2026-11-20 12:22:51", agent='s:8:"datetime";s:19:"2030-01-01 00:00:00"')
    assert opened(open_details=forged) == [("1", "12:22:50"), ("2", "12:22:51")]


def test_what_happened_before_the_gap_is_left_out() -> None:
    assert opened(since=datetime(2026, 11, 20, 12, 22, 51, tzinfo=UTC)) == [("2", "12:22:51")]
    assert clicks(HitRow.model_validate(HIT), MauticEmail(), NOW) == []


def test_an_unopened_mail_an_anonymous_visit_and_a_deleted_contact_bring_nothing() -> None:
    assert opened(open_count=None, date_read=None, last_opened=None) == []
    assert clicks(HitRow.model_validate(HIT | {"email_id": None}), MauticEmail(), LONG_AGO) == []
    assert clicks(HitRow.model_validate(HIT | {"lead_id": None}), MauticEmail(), LONG_AGO) == []
