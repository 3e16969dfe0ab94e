"""What leaves, what waits and what is dropped: every gate is asked again when the moment has come."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from crm_relay.consent.models import ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.notifications.models import Channel, EntityRef, Priority
from crm_relay.notifications.withdraw import withdraw
from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import Query, SqlValue
from tests.support.notifications.notification_harness import ASSIGNED, NotificationHarness
from tests.support.notifications.phone import Phone, plant_text_template
from tests.support.platform.rows import one

Crew = NotificationHarness
SIX_IN_THE_EVENING = "18:00"
YOU = {"task": {"title": "you"}}


def in_quiet_hours(crew: Crew, name: str = "ada") -> UUID:
    """Quiet from three to six in the afternoon; it is three."""
    person = crew.person(name)
    crew.prefer(person, quiet_hours_enabled=True, quiet_hours_start="15:00", quiet_hours_end=SIX_IN_THE_EVENING)
    return person


def test_nothing_due_costs_one_statement(crew: Crew) -> None:
    counting = CountingDatabase(crew.url)
    report = crew.tick(db=counting)
    assert (report.is_idle, counting.messages) == (True, 1)


class CountingDatabase(Database):
    """Counts the messages to the server."""

    messages = 0

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        self.messages += 1
        return super()._send(sql, **more)


# --- held -----------------------------------------------------------------------------------------------------------


def test_quiet_hours_hold_a_mail_until_their_end(crew: Crew) -> None:
    ada = in_quiet_hours(crew)
    crew.announce(ada)
    assert crew.states(ada) == [("waiting", "quiet_hours")]
    assert crew.states(ada, "in_app") == [("sent", "quiet_hours")]
    assert crew.rows("select is_silent from notifications") == [{"is_silent": True}]
    crew.wait(hours=2, minutes=59)
    assert crew.tick().is_idle
    crew.wait(minutes=1)
    crew.tick()
    assert (crew.states(ada), crew.got()) == ([("sent", "quiet_hours")], 1)


def test_a_mail_that_was_held_is_dropped_where_it_was_read_meanwhile(crew: Crew) -> None:
    ada = in_quiet_hours(crew)
    crew.announce(ada)
    crew.rows("update notifications set read_at = now()")
    crew.wait(hours=3)
    crew.tick()
    assert (crew.states(ada), crew.got()) == ([("skipped", "read")], 0)


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        ("update notifications set expires_at = '2026-11-18T17:00Z'", "expired"),
        ("update notifications set withdrawn_for = 'decided'", "decided"),
        ("update user_profiles set is_active = false", "user_inactive"),
        ("update user_profiles set email = null", "no_address"),
        ("update notification_preferences set email_unsubscribed = true", "unsubscribed"),
        ("""update notification_preferences set channels = '["in_app"]'""", "muted"),
        ("update notification_preferences set frequency = 'never'", "muted"),
        ("update notification_preferences set dnd_enabled = true", "do_not_disturb"),
    ],
)
def test_every_gate_is_asked_again_at_the_end_of_a_hold(crew: Crew, meanwhile: str, reason: str) -> None:
    ada = in_quiet_hours(crew)
    crew.announce(ada)
    crew.rows(meanwhile)
    crew.wait(hours=3)
    crew.tick()
    assert (crew.states(ada), crew.got()) == ([("skipped", reason)], 0)
    assert crew.delivery_status(ada)[0]["email"] == "skipped"


def test_do_not_disturb_holds_until_its_end(crew: Crew) -> None:
    ada = crew.person()
    crew.prefer(ada, dnd_enabled=True, dnd_until=crew.now + timedelta(minutes=30))
    crew.announce(ada)
    assert crew.states(ada) == [("waiting", "do_not_disturb")]
    crew.wait(minutes=30)
    crew.tick()
    assert crew.got() == 1


def test_a_preference_that_changes_frees_what_waits(crew: Crew) -> None:
    ada = in_quiet_hours(crew)
    crew.announce(ada)
    crew.rows("update notification_preferences set quiet_hours_enabled = false")
    crew.tick()
    assert crew.got() == 1


def test_what_is_urgent_leaves_at_night_and_what_is_critical_whatever_somebody_wants(crew: Crew) -> None:
    ada = in_quiet_hours(crew)
    crew.announce(ada, priority=Priority.URGENT)
    bob = crew.person("bob")
    crew.prefer(bob, frequency="never", dnd_enabled=True, email_unsubscribed=True, channels=[])
    crew.rows(
        "insert into notification_categories (org_id, category, is_critical) values (:org, 'assignment', true)",
        org=crew.org,
    )
    crew.announce(bob)
    crew.tick()
    assert (crew.got("ada"), crew.got("bob")) == (1, 1)


def test_a_template_waits_for_its_reader(crew: Crew) -> None:
    crew.rows(
        """insert into notification_templates
               (org_id, name, slug, category, title_template, message_template, email_subject_template,
                email_body_template, default_channels, unless_read_within)
           values (:org, 'Wait', 'wait', 'deal', 'Hello', 'You', 'Hello', '<p>You</p>', '["in_app", "email"]', 10)""",
        org=crew.org,
    )
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.announce(ada, bob, slug="wait", variables={})
    assert crew.states() == [("waiting", "unless_read")] * 2
    crew.rows("update notifications set read_at = now() where user_id = :bob", bob=bob)
    crew.wait(minutes=9)
    crew.tick()
    assert crew.got("ada") == 0
    crew.wait(minutes=1)
    crew.tick()
    assert (crew.got("ada"), crew.got("bob"), crew.states(bob)) == (1, 0, [("skipped", "read")])


# --- digests --------------------------------------------------------------------------------------------------------


def a_reader_of_digests(crew: Crew, name: str = "ada", frequency: str = "hourly_digest") -> UUID:
    person = crew.person(name)
    crew.prefer(person, frequency=frequency)
    return person


def titles(crew: Crew) -> list[str]:
    return [str(mail.payload["subject"]) for mail in crew.sim.mails]


def test_a_digest_gathers_and_leaves_once(crew: Crew) -> None:
    ada = a_reader_of_digests(crew)
    for number in range(3):
        crew.announce(ada, title=f"Task {number}")
    assert crew.states(ada) == [("digest", "hourly_digest")] * 3
    assert crew.tick().is_idle
    crew.wait(hours=1)
    crew.tick()
    assert titles(crew) == ["3 notifications"]
    text = str(crew.sim.mails[0].payload["text"])
    assert sorted(line for line in text.splitlines() if line.startswith("- ")) == ["- Task 0", "- Task 1", "- Task 2"]
    assert crew.states(ada) == [("sent", "hourly_digest")] * 3
    (digest,) = crew.rows("select state, lines from notification_digests")
    assert digest == {"state": "sent", "lines": 3}
    crew.wait(hours=1)
    assert crew.tick().is_idle


def test_a_digest_is_written_when_it_leaves(crew: Crew) -> None:
    """What was read, has expired or was decided by then is no line any more."""
    ada = a_reader_of_digests(crew)
    entity = EntityRef("approval", uuid4())
    crew.announce(ada, title="Kept")
    crew.announce(ada, title="Read")
    crew.announce(ada, title="Expired", expires_at=crew.now + timedelta(minutes=30))
    crew.announce(ada, title="Decided", entity_type=entity.entity_type, entity_id=entity.entity_id)
    crew.rows("update notifications set read_at = now() where title = 'Read'")
    withdraw(crew.db, crew.org, entity, crew.now)
    crew.wait(hours=1)
    crew.tick()
    assert titles(crew) == ["Kept"]
    found = crew.rows(
        """select notification.title, delivery.state, delivery.reason, delivery.digest_id is null as is_out
           from notification_deliveries delivery join notifications notification on notification.id = notification_id
           where delivery.channel = 'email' order by title"""
    )
    assert [tuple(row.values()) for row in found] == [
        ("Decided", "skipped", "decided", True),
        ("Expired", "skipped", "expired", True),
        ("Kept", "sent", "hourly_digest", False),
        ("Read", "skipped", "read", True),
    ]


def test_an_empty_digest_is_not_sent(crew: Crew) -> None:
    crew.announce(a_reader_of_digests(crew))
    crew.rows("update notifications set read_at = now()")
    crew.wait(hours=1)
    crew.tick()
    assert titles(crew) == []
    assert crew.rows("select state from notification_digests") == [{"state": "empty"}]


def test_a_long_digest_shows_fifty_lines_and_says_how_many_more(crew: Crew) -> None:
    ada = a_reader_of_digests(crew)
    crew.notify(*[crew.request(ada, title=f"Task {number}") for number in range(53)])
    crew.wait(hours=1)
    crew.tick()
    assert titles(crew) == ["53 notifications"]
    text = str(crew.sim.mails[0].payload["text"])
    assert len([line for line in text.splitlines() if line.startswith("- ")]) == 50
    assert "and 3 more" in text
    assert "and 3 more" in str(crew.sim.mails[0].payload["html"])
    assert crew.rows("select lines from notification_digests") == [{"lines": 53}]


def test_a_hostile_title_is_text_in_a_digest(crew: Crew) -> None:
    ada = a_reader_of_digests(crew)
    for _ in range(2):
        crew.announce(ada, title="<script>x</script>", message='"><img src=x>', action_url="/tasks?a=1&b=2")
    crew.wait(hours=1)
    crew.tick()
    html = str(crew.sim.mails[0].payload["html"])
    assert "<script>" not in html
    assert "<img" not in html
    assert 'href="https://crm.example.com/tasks?a=1&amp;b=2"' in html


def test_a_changed_preference_moves_what_waits_for_a_digest(crew: Crew) -> None:
    ada = a_reader_of_digests(crew, frequency="daily_digest")
    crew.announce(ada)
    crew.prefer(ada, frequency="hourly_digest")
    crew.tick()
    assert crew.states(ada) == [("digest", "hourly_digest")]
    crew.prefer(ada, frequency="immediate")
    crew.tick()
    assert titles(crew) == ["New task: Call Ada"]
    crew.wait(days=2)
    crew.tick()
    assert crew.got() == 1
    assert {row["state"] for row in crew.rows("select state from notification_digests")} == {"empty"}


def test_a_preference_that_is_deleted_asks_again_and_so_does_the_organizations_default(crew: Crew) -> None:
    ada = crew.person()
    crew.rows(
        "insert into notification_categories (org_id, category, frequency) values (:org, 'assignment', 'daily_digest')",
        org=crew.org,
    )
    crew.announce(ada)
    assert crew.states(ada) == [("digest", "daily_digest")]
    crew.rows("update notification_categories set frequency = 'immediate'")
    crew.tick()
    assert crew.got() == 1
    crew.prefer(ada, frequency="weekly_digest")
    crew.announce(ada)
    assert ("digest", "weekly_digest") in crew.states(ada)
    crew.rows("delete from notification_preferences")
    crew.tick()
    assert crew.got() == 2


def test_a_digest_that_meets_quiet_hours_leaves_at_their_end(crew: Crew) -> None:
    """The daily digest of 17:00, quiet from 16:00 to 18:00: it leaves at 18:00, and not the next day at 17:00."""
    ada = crew.person()
    crew.prefer(
        ada,
        frequency="daily_digest",
        digest_time="17:00",
        quiet_hours_enabled=True,
        quiet_hours_start="16:00",
        quiet_hours_end=SIX_IN_THE_EVENING,
    )
    crew.announce(ada)
    crew.wait(hours=2)
    crew.tick()
    assert crew.got() == 0
    crew.wait(hours=1)
    crew.tick()
    assert crew.got() == 1


def test_digests_of_several_categories_leave_as_one(crew: Crew) -> None:
    ada = crew.person()
    crew.prefer(ada, frequency="hourly_digest")
    crew.prefer(ada, "deal", frequency="hourly_digest")
    crew.announce(ada)
    crew.announce(ada, slug="deal_closed_won", variables={"deal": {"name": "Big", "value": "100"}})
    crew.wait(hours=1)
    crew.tick()
    assert titles(crew) == ["2 notifications"]


def test_hourly_digests_that_came_due_while_we_were_down_leave_as_one(crew: Crew) -> None:
    ada = a_reader_of_digests(crew)
    for number in range(4):
        crew.announce(ada, title=f"Task {number}")
        crew.wait(hours=1)
    crew.tick()
    assert titles(crew) == ["4 notifications"]
    assert sorted(row["state"] for row in crew.rows("select state from notification_digests")) == ["empty"] * 3 + [
        "sent"
    ]


# --- not too much at once -------------------------------------------------------------------------------------------


def test_the_thirty_first_of_an_hour_and_those_behind_it_come_as_one_digest(crew: Crew) -> None:
    ada = crew.person()
    crew.notify(*[crew.request(ada) for _ in range(35)])
    crew.tick()
    assert crew.got() == 30
    assert crew.states(ada).count(("digest", "throttled")) == 5
    crew.announce(ada, priority=Priority.URGENT)
    crew.tick()
    assert crew.got() == 31
    crew.wait(hours=1)
    crew.tick()
    assert crew.got() == 32
    assert "more than 30" in str(crew.sim.mails[-1].payload["text"])


def test_what_was_held_up_by_us_comes_as_one_digest_a_person(crew: Crew) -> None:
    ada, bob = crew.person("ada"), crew.person("bob")
    for number in range(3):
        crew.announce(ada, title=f"Task {number}")
    crew.announce(bob)
    crew.announce(ada, priority=Priority.URGENT)
    crew.wait(minutes=16)
    crew.tick()
    assert (crew.got("ada"), crew.got("bob")) == (1, 1)
    assert crew.states(ada).count(("digest", "caught_up")) == 3
    crew.wait(minutes=1)
    crew.tick()
    assert titles(crew)[-1] == "3 notifications"
    assert crew.got("ada") == 2


# --- channels -------------------------------------------------------------------------------------------------------


def test_a_text_message_leaves_by_the_ledger_of_text_messages(crew: Crew) -> None:
    plant_text_template(crew)
    crew.texts = phone = Phone()
    ada = crew.person(phone="+15550100000")
    crew.prefer(ada, channels=["in_app", "sms", "push"])
    crew.announce(ada, slug="text", variables=YOU)
    crew.tick()
    assert phone.sent == [("+15550100000", "Hello you")]
    assert crew.states(ada, "sms") == [("sent", None)]
    assert crew.states(ada, "push") == [("skipped", "not_configured")]
    crew.tick()
    assert len(phone.sent) == 1


def test_a_channel_that_is_not_configured_says_so(crew: Crew) -> None:
    plant_text_template(crew)
    crew.sender = None
    ada = crew.person(phone="+15550100000")
    crew.prefer(ada, channels=["email", "sms"])
    crew.announce(ada)
    crew.announce(ada, slug="text", variables=YOU)
    crew.tick()
    assert crew.states(ada) == [("skipped", "not_configured")]
    assert crew.states(ada, "sms") == [("skipped", "not_configured")]


def test_in_dry_run_mode_mail_leaves_to_the_domains_of_the_allow_list_alone(crew: Crew) -> None:
    crew.policy = SendPolicy(Mode.DRY_RUN, frozenset({"@example.com", "eve@elsewhere.example"})).for_colleagues()
    ada, eve = crew.person("ada"), crew.person("eve", email="eve@elsewhere.example")
    crew.announce(ada, eve)
    crew.tick()
    assert crew.states(ada) == [("sent", None)]
    assert crew.states(eve) == [("dry_run", "dry_run")]
    assert len(crew.sim.mails) == 1


@pytest.mark.parametrize(
    ("kind", "is_sent"),
    [(ConsentKind.OPT_OUT, True), (ConsentKind.HARD_BOUNCE, False), (ConsentKind.COMPLAINT, False)],
)
def test_an_address_that_is_dead_gets_nothing_and_a_marketing_opt_out_says_nothing(
    crew: Crew, kind: ConsentKind, is_sent: bool
) -> None:
    ada = crew.person()
    record_events(crew.db, [ConsentEvent(kind, "ada@example.com", "test", crew.now, org_id=crew.org)])
    crew.announce(ada)
    crew.tick()
    assert crew.states(ada) == ([("sent", None)] if is_sent else [("skipped", kind.value)])


def test_an_opt_out_does_not_hide_that_an_address_is_dead(crew: Crew) -> None:
    ada = crew.person()
    events = [
        ConsentEvent(kind, "ada@example.com", "test", crew.now, org_id=crew.org)
        for kind in (ConsentKind.OPT_OUT, ConsentKind.HARD_BOUNCE)
    ]
    record_events(crew.db, events)
    crew.announce(ada)
    crew.tick()
    assert crew.states(ada) == [("skipped", "hard_bounce")]


def test_no_limit_of_marketing_holds_a_notification_and_none_is_used_up_by_it(crew: Crew) -> None:
    crew.rows(
        """insert into delivery_limits (org_id, emails_per_minute, cap_emails, cap_days) values (:org, 1, 1, 7)
           on conflict (org_id) do update set emails_per_minute = 1, cap_emails = 1, cap_days = 7""",
        org=crew.org,
    )
    ada = crew.person()
    for _ in range(3):
        crew.announce(ada)
    crew.tick()
    assert crew.got() == 3
    room = one(crew.db, "select mails from email_room(:org, :now)", org=crew.org, now=crew.now)
    assert room == {"mails": 1}
    assert crew.rows("select * from email_cap(:org, 'ada@example.com', :now)", org=crew.org, now=crew.now) == []


def test_what_waits_in_the_ledger_is_asked_again_before_it_leaves(crew: Crew) -> None:
    """The provider rests, the night begins and one of them is read."""
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.prefer(bob)
    crew.sim.fault("429")
    crew.announce(ada, bob)
    crew.tick()
    assert crew.states() == [("queued", None)] * 2
    crew.rows("update notification_preferences set email_unsubscribed = true")
    crew.wait(minutes=5)
    crew.tick()
    assert (crew.got("ada"), crew.got("bob")) == (1, 0)
    assert crew.states(bob) == [("skipped", "unsubscribed")]


# --- nothing stops the others ---------------------------------------------------------------------------------------


def test_one_delivery_that_the_database_refuses_fails_alone(crew: Crew) -> None:
    people = [crew.person(f"p{number}") for number in range(12)]
    crew.announce(*people)
    crew.rows(
        """alter table email_sends add constraint planted check (recipient_email <> 'p7@example.com')""",
    )
    report = crew.tick()
    assert report.refused == 1
    assert crew.states(people[7]) == [("failed", "refused")]
    assert sum(crew.got(f"p{number}") for number in range(12)) == 11


def test_one_digest_that_the_database_refuses_fails_alone(crew: Crew) -> None:
    people = [a_reader_of_digests(crew, f"p{number}") for number in range(12)]
    crew.announce(*people)
    crew.rows("alter table email_sends add constraint planted check (recipient_email <> 'p7@example.com')")
    crew.wait(hours=1)
    crew.tick()
    assert crew.states(people[7]) == [("failed", "refused")]
    assert sum(crew.got(f"p{number}") for number in range(12)) == 11


def test_a_row_that_cannot_be_read_fails_alone(crew: Crew) -> None:
    """Somebody wrote a channel by hand that there is none of."""
    people = [crew.person(f"p{number}") for number in range(12)]
    crew.announce(*people)
    crew.rows(
        "update notification_deliveries set channel = 'fax' where user_id = :one and channel = 'email'", one=people[7]
    )
    assert crew.tick().refused == 1
    assert crew.states(people[7], "fax") == [("failed", "refused")]
    assert sum(crew.got(f"p{number}") for number in range(12)) == 11


def test_a_content_that_no_mail_can_carry_fails_alone(crew: Crew) -> None:
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.announce(ada, bob)
    crew.rows(
        "update notification_deliveries set content = '{}' || content || '{\"subject\": \"\"}' where user_id = :ada",
        ada=ada,
    )
    crew.tick()
    assert crew.states(ada) == [("failed", "content")]
    assert crew.got("bob") == 1


def test_a_zone_that_cannot_be_read_is_utc_and_stops_nobody(crew: Crew) -> None:
    ada = crew.person(timezone="Mars/Olympus")
    crew.rows(
        "insert into notification_categories (org_id, category, frequency) values (:org, 'assignment', 'daily_digest')",
        org=crew.org,
    )
    crew.announce(ada, crew.person("bob", timezone="Europe/Berlin"))
    leaves = {row["user_id"]: row["leaves_at"] for row in crew.rows("select * from notification_digests")}
    assert leaves[ada] == datetime(2026, 11, 19, 9, tzinfo=UTC)


# --- lanes ----------------------------------------------------------------------------------------------------------


def test_something_urgent_overtakes_a_long_list_of_digests(crew: Crew) -> None:
    """The run is in the middle of 300 digests when an urgent notification comes."""
    people = [a_reader_of_digests(crew, f"p{number}") for number in range(300)]
    crew.announce(*people)
    crew.wait(hours=1)
    boss = crew.person("boss")
    counting = InterruptedRelease(crew.url, crew, boss)
    crew.tick(db=counting)
    order = [mail.recipients[0] for mail in crew.sim.mails]
    assert len(order) == 301
    assert order.index("boss@example.com") <= 200


class InterruptedRelease(Database):
    """Behind the first request to the provider somebody is told something urgent."""

    def __init__(self, url: str, crew: Crew, boss: UUID) -> None:
        super().__init__(url)
        self._crew, self._boss, self._is_done = crew, boss, False

    def run(self, query: Query, **values: SqlValue) -> list[Row]:
        return super().run(query, **values)

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        if not self._is_done and len(self._crew.sim.mails) >= 100:
            self._is_done = True
            self._crew.announce(self._boss, priority=Priority.URGENT)
        return super()._send(sql, **more)


def test_mail_of_campaigns_and_of_notifications_do_not_wait_for_each_other(crew: Crew) -> None:
    crew.rows(
        """insert into email_batches (id, org_id, purpose, not_before)
           values (gen_random_uuid(), :org, 'campaign', :now)""",
        org=crew.org,
        now=crew.now - timedelta(days=1),
    )
    crew.announce(crew.person())
    crew.tick()
    assert crew.got() == 1
    assert crew.rows("select state from email_batches where purpose = 'campaign'") == [{"state": "queued"}]


def test_the_ledger_keeps_no_words_of_a_notification(crew: Crew) -> None:
    crew.announce(crew.person())
    crew.tick()
    (mail,) = crew.rows("select subject, payload, purpose, topic from email_sends")
    assert mail == {
        "subject": "notification: assignment",
        "payload": None,
        "purpose": "notification",
        "topic": "assignment",
    }
    assert ASSIGNED["task"]["title"] not in str(crew.rows("select content from notification_deliveries"))


def test_a_notification_on_a_channel_of_nobody_is_only_shown(crew: Crew) -> None:
    ada = crew.person(email=None)
    crew.announce(ada, channels=(Channel.IN_APP, Channel.EMAIL))
    assert crew.states(ada) == [("skipped", "no_address")]
    assert crew.states(ada, "in_app") == [("sent", None)]
