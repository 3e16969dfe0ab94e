"""What concerns one person: the link in their mail, why they were notified or not, and their erasure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.consent.person import Person
from crm_relay.notifications.people.erase import count_colleague, erase_colleague
from crm_relay.notifications.people.why import history_of
from crm_relay.notifications.tidy_up import remove_old, watch_zones
from crm_relay.platform.clock import Deadline
from tests.support.mail.unsubscribe_function import ONE_CLICK, ask, configure
from tests.support.notifications.notification_harness import NotificationHarness

Crew = NotificationHarness


def token(crew: Crew, place: int = -1) -> str:
    """Of the link in a mail that Resend took."""
    headers: Mapping[str, Any] = crew.sim.mails[place].payload["headers"]
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return str(headers["List-Unsubscribe"]).strip("<>").rpartition("/")[2]


@pytest.fixture(autouse=True)
def page(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function unsubscribe."""
    configure(monkeypatch, crew.url)


def press(crew: Crew, link: str, body: str = ONE_CLICK) -> dict[str, Any]:
    """As a mail program does, or the page's button."""
    return ask(link, "POST", body)


def left(crew: Crew) -> set[tuple[UUID, str]]:
    """Who left which category."""
    rows = crew.rows("select user_id, category from notification_preferences where email_unsubscribed")
    return {(row["user_id"], row["category"]) for row in rows}


def test_one_click_ends_the_mails_of_a_category_and_nothing_else(crew: Crew) -> None:
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.announce(ada, bob)
    crew.tick()
    mine = next(place for place, mail in enumerate(crew.sim.mails) if "ada" in mail.to[0])
    press(crew, token(crew, mine))
    assert left(crew) == {(ada, "assignment")}
    assert crew.rows("select * from consent_events") == crew.rows("select * from topic_opt_outs") == []
    crew.announce(ada)
    crew.tick()
    assert (crew.got("ada"), ("skipped", "unsubscribed") in crew.states(ada)) == (1, True)
    assert crew.states(ada, "in_app") == [("sent", None)] * 2
    crew.announce(ada, slug="deal_closed_won", variables={"deal": {"name": "Big", "value": "100"}})
    crew.tick()
    assert crew.got("ada") == 2


@pytest.mark.parametrize("body", [ONE_CLICK, "scope=all", "scope=topic", ""])
def test_whatever_button_is_pressed_the_marketing_ledger_is_not_touched(crew: Crew, body: str) -> None:
    ada = crew.person()
    crew.announce(ada)
    crew.tick()
    press(crew, token(crew), body)
    press(crew, token(crew), body)
    assert left(crew) == {(ada, "assignment")}
    assert crew.rows("select * from consent_events") == []


def test_the_link_of_a_digest_ends_the_mails_of_all_its_categories(crew: Crew) -> None:
    ada = crew.person()
    for category in ("assignment", "deal"):
        crew.prefer(ada, category, frequency="hourly_digest")
    crew.announce(ada)
    crew.announce(ada, slug="deal_closed_won", variables={"deal": {"name": "Big", "value": "100"}})
    crew.wait(hours=1)
    crew.tick()
    press(crew, token(crew))
    assert left(crew) == {(ada, "assignment"), (ada, "deal")}


@pytest.mark.parametrize("frequency", ["immediate", "hourly_digest"])
def test_a_link_holds_when_what_it_came_with_was_removed_long_ago(crew: Crew, frequency: str) -> None:
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.prefer(ada, frequency=frequency)
    crew.announce(ada, bob)
    crew.wait(hours=1)
    crew.tick()
    link = token(crew, next(place for place, mail in enumerate(crew.sim.mails) if "ada" in mail.to[0]))
    crew.rows("update notifications set read_at = cast(:now as timestamptz)", now=crew.now)
    crew.rows("delete from notification_preferences")
    crew.wait(days=91)
    assert remove_old(crew.db, crew.now, days=90, deadline=Deadline.after(60)) == 2
    press(crew, link)
    assert left(crew) == {(ada, "assignment")}


def test_who_had_no_preference_keeps_what_acted(crew: Crew) -> None:
    """The table's own defaults are others: only the application, by New York's clock."""
    ada = crew.person(timezone="Europe/Berlin")
    crew.rows(
        """insert into notification_categories (org_id, category, channels)
           values (:org, 'assignment', '["email", "sms"]')""",
        org=crew.org,
    )
    crew.announce(ada)
    crew.tick()
    press(crew, token(crew))
    (row,) = crew.rows("select channels, frequency, quiet_hours_timezone from notification_preferences")
    assert row == {"channels": ["email", "sms"], "frequency": "immediate", "quiet_hours_timezone": "Europe/Berlin"}


def test_looking_at_the_page_changes_nothing_and_it_says_what_the_button_does(crew: Crew) -> None:
    crew.announce(crew.person())
    crew.tick()
    link = token(crew)
    page = ask(link)
    assert page["statusCode"] == 200
    assert page["body"].count("<button") == 1
    assert "No more e-mails about assignment" in page["body"]
    assert left(crew) == set()
    done = press(crew, link, "scope=topic")
    assert "no more e-mails about <strong>assignment</strong>" in done["body"]
    assert len(left(crew)) == 1


def test_the_footer_of_the_mail_has_the_link(crew: Crew) -> None:
    crew.announce(crew.person())
    crew.tick()
    payload = crew.sim.mails[0].payload
    link = f"https://api.example.com/unsubscribe/{token(crew)}"
    assert link in str(payload["html"])
    assert link in str(payload["text"])


# --- why ------------------------------------------------------------------------------------------------------------


def test_why_says_what_was_decided_and_what_every_gate_says_now(crew: Crew) -> None:
    ada = crew.person()
    crew.prefer(ada, frequency="daily_digest", digest_time="09:00")
    (made,) = crew.announce(ada).created
    found = history_of(crew.db, made, crew.now)
    assert found is not None
    assert "title" not in found.notification
    by_channel = {each.delivery["channel"]: each for each in found.channels}
    email = by_channel["email"]
    assert (email.delivery["state"], email.delivery["reason"]) == ("digest", "daily_digest")
    assert email.delivery["digest_leaves_at"] == (crew.now + timedelta(days=1)).replace(hour=9)
    answers = {answer.gate: answer.decision for answer in email.gates if answer.decision is not None}
    assert list(answers) == ["frequency"]
    assert (by_channel["in_app"].delivery["state"], by_channel["in_app"].delivery["reason"]) == ("sent", "daily_digest")


def test_why_follows_a_mail_into_the_ledger(crew: Crew) -> None:
    (made,) = crew.announce(crew.person()).created
    crew.tick()
    found = history_of(crew.db, made, crew.now)
    assert found is not None
    email = next(each.delivery for each in found.channels if each.delivery["channel"] == "email")
    assert (email["state"], email["mail_status"]) == ("sent", "sent")
    assert email["mail_sent_at"] is not None


def test_why_knows_nothing_of_what_never_was(crew: Crew) -> None:
    assert history_of(crew.db, uuid4(), crew.now) is None


# --- erasure and retention ------------------------------------------------------------------------------------------


def test_a_colleague_who_is_erased_is_gone_from_profile_preferences_and_notifications(crew: Crew) -> None:
    ada, bob = crew.person("ada", phone="+15550100000"), crew.person("bob")
    crew.rows("update user_profiles set name = 'Ada' where id = :ada", ada=ada)
    crew.prefer(ada)
    crew.webhook("https://hooks.slack.com/services/own", ada)
    crew.announce(ada, bob)
    person = Person(frozenset({"ada@example.com"}))
    expected = {
        "user_profiles": 1,
        "notifications_received": 1,
        "notification_digests": 0,
        "notification_preferences": 1,
        "notification_slack_webhooks": 1,
    }
    assert count_colleague(crew.db, person) == expected
    assert erase_colleague(crew.db, person) == expected
    (row,) = crew.rows("select email, name, phone, is_active from user_profiles where id = :ada", ada=ada)
    assert row == {"email": None, "name": None, "phone": None, "is_active": False}
    assert {each["user_id"] for each in crew.rows("select user_id from notification_deliveries")} == {bob}
    assert set(erase_colleague(crew.db, person).values()) == {0}


def test_a_user_who_is_deleted_takes_everything_along(crew: Crew) -> None:
    ada = crew.person()
    crew.prefer(ada, frequency="daily_digest")
    crew.announce(ada)
    crew.rows("delete from user_profiles where id = :ada", ada=ada)
    assert crew.rows("select from notification_deliveries") == crew.rows("select from notification_digests") == []


def test_what_was_read_or_put_away_long_ago_is_removed_and_is_not_said_again(crew: Crew) -> None:
    ada = crew.person()
    events = [crew.request(ada) for _ in range(4)]
    crew.notify(*events)
    crew.tick()
    rows = crew.rows("select id, event_key from notifications order by event_key")
    long_ago = crew.now - timedelta(days=91)
    for row, column in zip(rows, ("read_at", "archived_at"), strict=False):
        crew.rows(f"update notifications set {column} = :at where id = :id", at=long_ago, id=row["id"])
    crew.rows(
        "update notifications set read_at = :at where id = :id", at=crew.now - timedelta(days=89), id=rows[2]["id"]
    )
    assert remove_old(crew.db, crew.now, days=90, deadline=Deadline.after(60)) == 2
    assert {row["id"] for row in crew.rows("select id from notifications")} == {rows[2]["id"], rows[3]["id"]}
    assert crew.notify(*events).created == ()


def test_a_zone_that_cannot_be_read_is_an_incident_until_it_is_mended(crew: Crew) -> None:
    ada = crew.person(timezone="Mars/Olympus")
    assert watch_zones(crew.db, crew.now) == 1
    assert crew.incidents() == {"notification_zone"}
    crew.rows("update user_profiles set timezone = 'Europe/Berlin' where id = :ada", ada=ada)
    assert watch_zones(crew.db, crew.now) == 0
    assert crew.incidents() == set()
