"""What EmailBison's totals say against what its webhooks told: what never came is filled in, and only that."""

import pytest

from crm_relay.outreach import store
from crm_relay.outreach.models import TotalsGap
from crm_relay.platform.database import Database
from tests.support.outreach.bison_events import counters, logged, mail
from tests.support.outreach.bison_totals import at, compare, show, shown_and_compared
from tests.support.outreach.bison_webhook_function import (
    CONTOSO,
    NORTHWIND,
    configure,
    deliver,
    plant_workspaces,
    tables,
)
from tests.support.platform.rows import one, rows_of

FILLED = "select coalesce(sum(amount), 0)::integer as n from webhook_delivery_log where origin = 'polled'"


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> None:
    """An account with totals of before, of which the webhooks know nothing, that is compared for the first time."""
    configure(monkeypatch, database_url)
    plant_workspaces(database)
    shown_and_compared(database, 0, sent=1000, replies=50)
    assert compare(database, 1).gaps == []


def sent(number: int, hours: float, seconds: float = 0) -> None:
    assert deliver(mail("email_sent", number, at=at(hours, seconds)))["events_processed"] == 1


def a_day_with_25_lost(database: Database) -> None:
    """Thirty e-mails and four replies, of which five and two were told."""
    for number in range(5):
        sent(number, 2)
    for number in (10, 11):
        deliver(mail("lead_replied", number, at=at(3)))
    show(database, 4, sent=1030, replies=52)
    assert compare(database, 4).gaps == []


def no_drift(database: Database) -> None:
    assert store.metric_drift(database, "2026-03-01") == []


def test_what_an_account_did_before_it_was_known_is_not_filled_in(database: Database) -> None:
    assert (counters(database), one(database, FILLED)["n"]) == ({}, 0)


def test_twenty_five_events_that_never_came_are_found_and_filled_in_as_polled(database: Database) -> None:
    a_day_with_25_lost(database)
    assert compare(database, 5, fills=False).missing == 25
    assert counters(database) == {"emails_sent_mtd": 5, "replies_mtd": 2}
    done = compare(database, 5)
    assert done.gaps == [TotalsGap(7, "emails_sent_mtd", 25, ahead=0)]
    assert counters(database) == {"emails_sent_mtd": 30, "replies_mtd": 2}
    (line,) = rows_of(
        database,
        "select event_type, amount, success, sender_email_id from webhook_delivery_log where origin = 'polled'",
    )
    assert line == {"event_type": "polled_total", "amount": 25, "success": True, "sender_email_id": 7}
    no_drift(database)


def test_the_second_comparison_finds_nothing(database: Database) -> None:
    a_day_with_25_lost(database)
    compare(database, 5)
    before = tables(database)
    for hours in (5, 6, 7, 30):
        assert compare(database, hours).gaps == []
    assert tables(database) == before


def test_those_that_arrive_later_take_the_place_of_the_filling(database: Database) -> None:
    a_day_with_25_lost(database)
    compare(database, 5)
    for number in range(100, 110):
        sent(number, 2.5)
        assert counters(database)["emails_sent_mtd"] == 30
    assert one(database, FILLED)["n"] == 15
    for number in range(110, 125):
        sent(number, 2.5)
    assert (counters(database)["emails_sent_mtd"], one(database, FILLED)["n"]) == (30, 0)
    sent(200, 2.5)
    assert counters(database)["emails_sent_mtd"] == 31
    no_drift(database)


def test_a_filling_is_taken_only_by_an_event_of_its_account_its_kind_and_its_time(database: Database) -> None:
    a_day_with_25_lost(database)
    compare(database, 5)
    deliver(mail("email_sent", 300, sender=8, at=at(2)))
    deliver(mail("lead_replied", 301, at=at(2)))
    sent(302, 4.5)
    assert (counters(database), one(database, FILLED)["n"]) == ({"emails_sent_mtd": 32, "replies_mtd": 3}, 25)


def test_nothing_is_filled_in_while_a_webhook_may_still_be_on_its_way(database: Database) -> None:
    a_day_with_25_lost(database)
    assert compare(database, 4.9).gaps == []
    for number in range(400, 425):
        sent(number, 3)
    assert compare(database, 5).gaps == []
    assert (counters(database)["emails_sent_mtd"], one(database, FILLED)["n"]) == (30, 0)


def test_totals_that_fell_fill_in_nothing_and_begin_anew(database: Database) -> None:
    show(database, 4, sent=3)
    compare(database, 4)
    assert compare(database, 5).gaps == []
    shown_and_compared(database, 6, sent=5)
    assert compare(database, 7).gaps == [TotalsGap(7, "emails_sent_mtd", 2, ahead=0)]


def test_an_event_that_the_totals_showed_a_second_before_its_time_ends_right(database: Database) -> None:
    sent(1, 2, seconds=1)
    show(database, 2, sent=1001, replies=50)
    compare(database, 2)
    assert compare(database, 3).missing == 1
    assert counters(database) == {"emails_sent_mtd": 2}
    shown_and_compared(database, 4, sent=1001, replies=50)
    assert compare(database, 5).gaps == [TotalsGap(7, "emails_sent_mtd", -1, ahead=0)]
    assert (counters(database), one(database, FILLED)["n"]) == ({"emails_sent_mtd": 1}, 0)
    shown_and_compared(database, 6, sent=1001, replies=50)
    assert compare(database, 7).gaps == []
    no_drift(database)


def test_an_event_that_the_totals_showed_only_a_moment_after_its_time_ends_right(database: Database) -> None:
    sent(1, 2, seconds=-1)
    show(database, 2, sent=1000, replies=50)
    compare(database, 2)
    assert compare(database, 3).gaps == []
    shown_and_compared(database, 4, sent=1001, replies=50)
    assert compare(database, 5).gaps == []
    assert counters(database) == {"emails_sent_mtd": 1}
    shown_and_compared(database, 6, sent=1002, replies=50)
    assert compare(database, 7).missing == 1


def test_what_is_late_in_the_totals_is_remembered_while_the_account_is_not_read(database: Database) -> None:
    sent(1, 2, seconds=-1)
    show(database, 2, sent=1000, replies=50)
    for hours in (2, 3, 4, 5):
        compare(database, hours)
    shown_and_compared(database, 6, sent=1001, replies=50)
    assert compare(database, 7).gaps == []
    assert counters(database) == {"emails_sent_mtd": 1}


def test_more_than_was_filled_in_is_never_taken_back(database: Database) -> None:
    for number in range(5):
        sent(number, 2)
    show(database, 4, sent=1001, replies=50)
    compare(database, 4)
    assert compare(database, 5).gaps == []
    assert counters(database) == {"emails_sent_mtd": 5}


def test_an_account_that_is_moved_brings_nothing_of_its_past_along(database: Database) -> None:
    for number in range(5):
        sent(number, 2)
    show(database, 4, workspace=CONTOSO, sent=1005, replies=50)
    for hours in (4, 5):
        assert compare(database, hours, workspace=CONTOSO).gaps == []
        assert compare(database, hours).gaps == []
    show(database, 6, workspace=CONTOSO, sent=1005, replies=50)
    for hours in (6, 7):
        assert compare(database, hours, workspace=CONTOSO).gaps == []
    show(database, 8, workspace=CONTOSO, sent=1007, replies=50)
    compare(database, 8, workspace=CONTOSO)
    assert compare(database, 9, workspace=CONTOSO).missing == 2
    assert (counters(database), counters(database, CONTOSO)) == ({"emails_sent_mtd": 5}, {"emails_sent_mtd": 2})


def test_many_accounts_are_filled_in_at_once_and_moved_counters_stay_sums(database: Database) -> None:
    for account in range(20, 50):
        show(database, 0, account=account)
    compare(database, 1)
    for account in range(20, 50):
        show(database, 2, account=account, sent=account, replies=1)
    compare(database, 2)
    assert compare(database, 3).missing == sum(range(20, 50)) + 30
    assert counters(database) == {"emails_sent_mtd": sum(range(20, 50)), "replies_mtd": 30}
    assert {row["origin"] for row in logged(database, "origin")} == {"polled"}
    assert NORTHWIND not in {row["event_key"] for row in logged(database, "event_key")}
    no_drift(database)
