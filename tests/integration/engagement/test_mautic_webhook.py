"""What a delivery of Mautic does to the customers."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from crm_relay.platform.database import Database
from tests.support.customers.mautic_hooks import (
    all_recorded,
    body_of,
    deleted,
    delivery,
    http_event,
    opened,
    recorded,
    sign,
    subscription,
)
from tests.support.customers.mautic_webhook_function import configure, counts, deliver, tables
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import add_customer, one, rows_of

EMAIL = "hook.one@example.com"
UNSUBSCRIBE = recorded("97_hook_unsubscribe_get__lead_channel_subscription_changed").body
BOUNCE = recorded("97_hook_bounce_by_api_dnc_reason2__lead_channel_subscription_changed").body


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """Configured for this test's database."""
    configure(monkeypatch, database_url)


def dirty(database: Database) -> list[UUID]:
    return [row["customer_id"] for row in rows_of(database, "delete from mautic_dirty returning customer_id")]


def ledger(database: Database) -> list[tuple[str, str, str]]:
    rows = rows_of(database, "select channel, address, kind from consent_events order by id")
    return [(row["channel"], row["address"], row["kind"]) for row in rows]


# --- engagement ------------------------------------------------------------------------------------------------------


def test_an_open_becomes_a_row_with_everything_that_is_known_of_it(database: Database) -> None:
    customer = add_customer(database, EMAIL)
    assert deliver(recorded("97_hook_email_on_open_first").body) == {
        "status": 200,
        "success": True,
        "events_processed": 1,
        "duplicates": 0,
        "unmatched": 0,
        "ignored": 0,
    }
    row = one(database, "select *, occurred_at::text as at from customer_email_engagement")
    assert (row["customer_id"], row["event_type"], row["campaign_name"]) == (customer, "open", "Lab mail")
    assert (row["mautic_email_id"], row["mautic_contact_id"], row["address"]) == ("1", 88, EMAIL)
    assert (row["is_machine"], row["verdict"]) == (False, "nothing speaks against a person")
    assert row["raw_payload"] == recorded("97_hook_email_on_open_first").content["mautic.email_on_open"][0]
    assert row["at"].startswith("2026-11-20 12:22:50")


def test_a_click_keeps_its_link(database: Database) -> None:
    add_customer(database, EMAIL)
    assert counts(deliver(recorded("97_hook_click__page_on_hit").body)) == (1, 0, 0, 0)
    row = one(database, "select event_type, link_url from customer_email_engagement")
    assert row == {"event_type": "click", "link_url": "http://127.0.0.1:8099/ok/landing?x=1"}


def test_the_content_of_a_long_mail_is_not_kept_with_every_open(database: Database) -> None:
    event = opened()
    event["stat"]["email"]["customHtml"] = "<p>long</p>" * 1000
    deliver(delivery(email_on_open=[event]))
    kept = one(database, "select raw_payload -> 'stat' -> 'email' as email from customer_email_engagement")["email"]
    assert "customHtml" not in kept
    assert kept["subject"] == "Hello {contactfield=firstname}"
    assert "long" in one(database, "select body from webhook_inbox")["body"]


def test_the_delivery_is_kept_as_it_came_without_its_signature(database: Database) -> None:
    deliver(UNSUBSCRIBE)
    row = one(database, "select * from webhook_inbox")
    assert (row["source"], row["body"].encode()) == ("mautic", UNSUBSCRIBE)
    assert row["headers"] == {"content-type": "application/json", "user-agent": "GuzzleHttp/7"}
    assert row["applied_at"] is not None


@pytest.mark.parametrize("escape", [rb"\u0000", rb"\ud800", rb"\udc00\ud83d"])
def test_characters_that_no_text_column_holds_break_nothing(database: Database, escape: bytes) -> None:
    body = UNSUBSCRIBE.replace(b"User unsubscribed.", b"User" + escape)
    assert counts(deliver(body)) == (0, 0, 1, 0)
    assert one(database, "select body from webhook_inbox")["body"].encode() == body
    comments = "raw_payload -> 'contact' -> 'doNotContact' -> 0 ->> 'comments'"
    assert one(database, f"select {comments} as said from customer_email_engagement")["said"].startswith("User\ufffd")


def test_the_documents_curl_is_answered_as_the_document_says(database: Database) -> None:
    body = (
        b'{"mautic.email_on_open": [{"id": 1, "lead": {"id": 1, "email": "test@example.com"}, "email": {"id": 1, '
        b'"name": "Test Campaign", "subject": "Test Subject"}, "dateRead": "2026-02-13T12:00:00Z"}], '
        b'"timestamp": "2026-02-13T12:00:00Z"}'
    )
    answer = deliver(body)
    assert (answer["success"], answer["events_processed"], answer["unmatched"]) == (True, 0, 1)


# --- whose event it is -----------------------------------------------------------------------------------------------


def test_the_customer_is_found_by_supabase_id_then_contact_then_former_contact_then_address(
    database: Database,
) -> None:
    by_id = add_customer(database, contact_id=1)
    by_contact = add_customer(database, contact_id=2)
    by_former = add_customer(database)
    by_address = add_customer(database, "  Ada@EXAMPLE.com ")
    rows_of(
        database,
        "insert into mautic_former_contacts (mautic_contact_id, customer_id) values (3, :customer)",
        customer=by_former,
    )
    events = [
        subscription(contact_id=2, email="ada@example.com", supabase_id=str(by_id), at="2026-11-20T12:00:01+00:00"),
        subscription(contact_id=2, email="ada@example.com", supabase_id=str(uuid4()), at="2026-11-20T12:00:02+00:00"),
        subscription(contact_id=3, email="ada@example.com", at="2026-11-20T12:00:03+00:00"),
        subscription(contact_id=4, email="ada@example.com", at="2026-11-20T12:00:04+00:00"),
    ]
    deliver(delivery(lead_channel_subscription_changed=events))
    rows = rows_of(database, "select customer_id from customer_email_engagement order by occurred_at")
    assert [row["customer_id"] for row in rows] == [by_id, by_contact, by_former, by_address]


def test_of_several_customers_with_one_address_the_youngest_has_the_event(database: Database) -> None:
    add_customer(database, EMAIL, created_at="2026-01-01T00:00:00Z")
    youngest = add_customer(database, EMAIL, created_at="2026-03-01T00:00:00Z")
    add_customer(database, EMAIL, created_at="2026-02-01T00:00:00Z")
    deliver(delivery(email_on_open=[opened()]))
    assert one(database, "select customer_id from customer_email_engagement")["customer_id"] == youngest


# --- unsubscribe -----------------------------------------------------------------------------------------------------


def test_an_unsubscribe_reaches_the_customer_the_ledger_and_the_next_sync(database: Database) -> None:
    customer = add_customer(database, EMAIL)
    assert counts(deliver(UNSUBSCRIBE)) == (1, 0, 0, 0)
    profile = one(database, "select marketing_opt_in, opted_out_at::text as at from customer_profiles")
    assert profile["marketing_opt_in"] is False
    assert profile["at"].startswith("2026-11-20 12:22:55")
    entry = one(database, "select channel, address, kind, source, source_event from consent_events")
    assert entry == {
        "channel": "email",
        "address": EMAIL,
        "kind": "opt_out",
        "source": "mautic",
        "source_event": "mautic:subscription:88:email:contactable>unsubscribed:20261120T122255Z",
    }
    assert set(dirty(database)) == {customer}


def test_an_unsubscribe_twice_puts_nobody_on_the_dirty_list_again(database: Database) -> None:
    add_customer(database, EMAIL)
    deliver(UNSUBSCRIBE)
    dirty(database)
    assert counts(deliver(UNSUBSCRIBE)) == (0, 1, 0, 0)
    among_others = delivery(
        lead_channel_subscription_changed=[subscription(supabase_id="hk-1")], email_on_open=[opened()]
    )
    assert counts(deliver(among_others)) == (1, 1, 0, 0)
    assert dirty(database) == []
    assert len(ledger(database)) == 1


def test_the_echo_of_our_own_push_changes_nothing(database: Database) -> None:
    customer = add_customer(database, EMAIL, contact_id=88)
    before = tables(database)
    echo = subscription(new="manual", comments="CRM Relay: do not contact")
    assert counts(deliver(delivery(lead_channel_subscription_changed=[echo]))) == (0, 0, 0, 1)
    assert {name: rows for name, rows in tables(database).items() if name != "webhook_inbox"} == {
        name: rows for name, rows in before.items() if name != "webhook_inbox"
    }
    assert customer not in dirty(database)


def test_contactable_again_clears_nothing(database: Database) -> None:
    add_customer(database, EMAIL)
    deliver(UNSUBSCRIBE)
    assert counts(deliver(recorded("97_hook_resubscribe__lead_channel_subscription_changed").body)) == (0, 0, 0, 1)
    assert one(database, "select marketing_opt_in from customer_profiles")["marketing_opt_in"] is False


def test_an_unsubscribe_that_arrives_after_a_later_consent_does_not_undo_it(database: Database) -> None:
    add_customer(database, EMAIL)
    rows_of(
        database,
        "insert into consent_events (channel, address, kind, source, evidence, occurred_at) "
        "values ('email', :email, 'consent', 'form', 'signed', '2026-11-20T13:00:00Z')",
        email=EMAIL,
    )
    deliver(UNSUBSCRIBE)
    profile = one(database, "select marketing_opt_in, opted_out_at from customer_profiles")
    assert profile == {"marketing_opt_in": True, "opted_out_at": None}
    state = one(database, "select suppressed_by from suppression(default_org_id(), 'email', :email)", email=EMAIL)
    assert state["suppressed_by"] is None


def test_a_later_consent_in_another_organization_does_not_undo_an_unsubscribe(database: Database) -> None:
    add_customer(database, EMAIL)
    rows_of(
        database,
        "with org as (insert into organizations (name) values ('Elsewhere') returning id) "
        "insert into consent_events (org_id, channel, address, kind, source, evidence, occurred_at) "
        "select id, 'email', :email, 'consent', 'form', 'signed', '2026-11-20T13:00:00Z' from org",
        email=EMAIL,
    )
    deliver(UNSUBSCRIBE)
    profile = one(database, "select marketing_opt_in, opted_out_at is not null as marked from customer_profiles")
    assert profile == {"marketing_opt_in": False, "marked": True}


def test_whoever_shares_the_address_is_stamped_and_keeps_the_own_column(database: Database) -> None:
    other = add_customer(database, EMAIL, created_at="2026-01-01T00:00:00Z")
    person = add_customer(database, EMAIL, created_at="2026-02-01T00:00:00Z")
    deliver(UNSUBSCRIBE)
    rows = rows_of(database, "select id, marketing_opt_in, opted_out_at is not null as stamped from customer_profiles")
    assert {row["id"]: (row["marketing_opt_in"], row["stamped"]) for row in rows} == {
        person: (False, True),
        other: (True, True),
    }
    assert len(ledger(database)) == 1


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_two_who_share_an_address_and_leave_in_one_delivery_both_leave_in_person(
    database: Database, order: tuple[int, int]
) -> None:
    for contact_id in (1, 2):
        add_customer(database, EMAIL, contact_id=contact_id)
    deliver(delivery(lead_channel_subscription_changed=[subscription(contact_id=each) for each in order]))
    rows = rows_of(database, "select marketing_opt_in, opted_out_at is not null as stamped from customer_profiles")
    assert rows == [{"marketing_opt_in": False, "stamped": True}] * 2
    assert len(ledger(database)) == 2


def test_a_column_that_the_application_turned_back_is_turned_again_without_a_second_ledger_line(
    database: Database,
) -> None:
    add_customer(database, EMAIL)
    rows_of(database, "update customer_profiles set opted_out_at = '2026-12-01T00:00:00Z'")
    deliver(UNSUBSCRIBE)
    assert one(database, "select marketing_opt_in from customer_profiles")["marketing_opt_in"] is False
    assert len(ledger(database)) == 1


def test_an_unsubscribe_writes_the_customer_once(database: Database) -> None:
    customer = add_customer(database, EMAIL)
    deliver(UNSUBSCRIBE)
    # Once for the customer's row, once for the ledger's line.
    assert dirty(database) == [customer, customer]


def test_an_opt_out_from_a_number_that_could_be_anybodys_counts_for_the_customers_number_that_ends_like_it(
    database: Database,
) -> None:
    customer = add_customer(database, EMAIL, contact_id=88)
    for number, is_primary in (("+61400999999", False), ("+61400111222", True)):
        rows_of(
            database,
            "insert into customer_phones (customer_id, phone_e164, is_primary) values (:id, :number, :is_primary)",
            id=customer,
            number=number,
            is_primary=is_primary,
        )
    for named in (None, str(customer)):
        event = subscription(channel="sms", mobile="0400 999 999", supabase_id=named)
        deliver(delivery(lead_channel_subscription_changed=[event]))
    assert ledger(database) == [("sms", "+61400999999", "opt_out")]
    stranger = subscription(channel="sms", mobile="0400 999 999", contact_id=5, email="nobody@example.com")
    assert counts(deliver(delivery(lead_channel_subscription_changed=[stranger]))) == (0, 0, 1, 0)


def test_an_opt_out_from_text_messages_is_in_the_ledger_only_and_once(database: Database) -> None:
    add_customer(database, EMAIL, contact_id=88)
    event = subscription(channel="sms", mobile="+61 400 111 222")
    assert counts(deliver(delivery(lead_channel_subscription_changed=[event]))) == (1, 0, 0, 0)
    again = delivery(lead_channel_subscription_changed=[event], email_on_open=[opened()])
    assert counts(deliver(again)) == (1, 1, 0, 0)
    assert ledger(database) == [("sms", "+61400111222", "opt_out")]
    assert one(database, "select marketing_opt_in from customer_profiles")["marketing_opt_in"] is True


# --- answers ---------------------------------------------------------------------------------------------------------


def test_every_event_is_in_exactly_one_count(database: Database) -> None:
    add_customer(database, EMAIL)
    for hook in all_recorded():
        expected = sum(len(events) if isinstance(events, list) else 1 for events in _events(hook.content))
        assert sum(counts(deliver(hook.body))) == expected, hook.name
        assert sum(counts(deliver(hook.body))) == expected, hook.name


def _events(content: dict[str, object]) -> Iterator[object]:
    return (events for name, events in content.items() if name != "timestamp")


def test_an_unknown_event_is_kept_raw_and_reported(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert counts(deliver(body_of({"mautic.asset_on_download": [{"lead": {"email": EMAIL}}]}))) == (0, 0, 0, 1)
    assert len(rows_of(database, "select id from webhook_inbox")) == 1
    said = capsys.readouterr().out
    assert "UnknownEvents" in said
    assert EMAIL not in said


# --- cost ------------------------------------------------------------------------------------------------------------


def test_ten_events_with_all_their_effects_cost_two_round_trips(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = [add_customer(database, f"c{number}@example.com", contact_id=number) for number in range(1, 6)]
    changes = [
        subscription(contact_id=number, email=f"c{number}@example.com", new=new)
        for number, new in enumerate(["unsubscribed", "bounced", "manual", "bounced"], start=1)
    ]
    opens = [opened(contact_id=number, email=f"c{number}@example.com", count=2) for number in range(1, 6)]
    body = delivery(lead_channel_subscription_changed=changes, email_on_open=opens, lead_post_delete=[deleted(5)])
    with CountingProxy(database_url) as proxy:
        configure(monkeypatch, proxy.url)
        deliver(delivery(email_on_open=[opened(tracking="warm")]))
        proxy.forget()
        # The five opens are of one mail to five contacts, so they share a key: one open and four repetitions.
        assert sum(counts(deliver(body))) == 10
        assert len(proxy.queries) == 2
        assert proxy.other_messages == []
        proxy.forget()
        deliver(body)
        assert len(proxy.queries) == 2
    assert len(customers) == 5


def test_the_answer_names_the_methods_and_allows_no_page_to_ask() -> None:
    from mautic_webhook.handler import handler

    body = delivery(email_on_open=[opened()])
    asked = handler(http_event(b"", headers={"origin": "https://crm.example.com"}, method="OPTIONS"), None)
    assert (asked["statusCode"], asked["headers"]["allow"]) == (204, "POST, OPTIONS")
    assert not any(name.startswith("access-control-") for name in asked["headers"])
    refused = handler(http_event(body, headers=sign(body), method="GET"), None)
    assert (refused["statusCode"], refused["headers"]["allow"]) == (405, "POST, OPTIONS")
