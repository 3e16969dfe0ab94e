"""A row that nobody can read, of one person or template, stops nobody else."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

import pytest

from crm_relay.notifications.models import Channel, Frequency
from crm_relay.notifications.moments import countable
from crm_relay.notifications.overview.show_deliveries import list_deliveries, show_channels
from crm_relay.notifications.people.settings_of_person import find_colleague, settings_of_person
from crm_relay.notifications.people.show_history import show_history
from crm_relay.notifications.people.simulate_week import SettingsChange, simulate_week
from crm_relay.notifications.tidy_up import mend_left_behind
from tests.support.notifications.notification_harness import NotificationHarness
from tests.support.notifications.phone import Phone, plant_text_template

Crew = NotificationHarness
FOR_EVER, OVER = ("skipped", "do_not_disturb"), ("sent", "preference_changed")
BEYOND = ["infinity", "294276-01-01 00:00:00+00", "20225-01-01 00:00:00+00", "9999-12-31 23:59:59+00"]
BEFORE = ["-infinity", "0044-01-01 00:00:00+00 BC", "0001-01-01 00:00:00+00"]
"""Moments that Python cannot count, or to which it cannot add an hour."""


@pytest.mark.parametrize(
    ("until", "state"),
    [
        ("infinity", FOR_EVER),
        ("294276-01-01 00:00:00+00", FOR_EVER),
        ("-infinity", OVER),
        ("0044-01-01 00:00:00+00 BC", OVER),
    ],
)
def test_an_end_of_do_not_disturb_that_python_cannot_count_stops_nobody(
    crew: Crew, until: str, state: tuple[str, str]
) -> None:
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.announce(ada, bob)
    crew.prefer(bob, dnd_enabled=True)
    crew.rows(f"update notification_preferences set dnd_until = '{until}'")
    crew.tick()
    assert (crew.got("ada"), crew.states(bob)) == (1, [state])
    crew.announce(ada, bob)
    crew.tick()
    assert (crew.got("ada"), crew.states(bob)[1][0]) == (2, state[0])


@pytest.mark.parametrize(
    "values",
    [
        {"task": {"title": 10**5000}, "assigner": {"name": "Grace"}},
        {"task": {"title": float("nan")}, "assigner": {"name": {1, 2}}},
        {"task": None},
        {"task": {"title": "x\ud800"}, "assigner": {"name": "Grace"}},
    ],
)
def test_a_value_that_cannot_be_written_is_a_refusal(crew: Crew, values: Mapping[str, object]) -> None:
    ada = crew.person()
    report = crew.notify(crew.request(ada, variables=values), crew.request(ada))
    assert ([each.reason for each in report.refused], len(report.created)) == (["template"], 1)


@pytest.mark.parametrize("broken", ["conditions = '[1]'", "variables = '{}'", "default_priority = 'loud'"])
def test_a_template_of_an_applications_own_table_stops_its_own_requests_alone(crew: Crew, broken: str) -> None:
    crew.rows(
        """alter table notification_templates drop constraint template_shapes,
           drop constraint notification_templates_default_priority_check"""
    )
    crew.rows(
        """insert into notification_templates (org_id, name, slug, category, title_template, message_template)
           values (:org, 'Odd', 'odd', 'deal', 'Odd', 'Odd')""",
        org=crew.org,
    )
    crew.rows(f"update notification_templates set {broken} where slug = 'odd'")
    ada = crew.person()
    report = crew.notify(crew.request(ada, slug="odd"), crew.request(ada))
    assert ([each.reason for each in report.refused], len(report.created)) == (["template"], 1)


def test_who_changed_the_organization_hears_nothing_of_the_former_one(crew: Crew) -> None:
    crew.webhook("https://hooks.slack.example/former")
    ada, other = crew.person(), uuid4()
    crew.rows("insert into organizations (id, name) values (:id, 'Other')", id=other)
    crew.rows(
        "insert into notification_slack_webhooks (org_id, webhook_url) values (:org, 'https://hooks.slack.example/new')",
        org=other,
    )
    channels = ["email", "slack"]
    crew.prefer(ada, channels=channels, quiet_hours_enabled=True, quiet_hours_start="15:00", quiet_hours_end="18:00")
    crew.announce(ada, channels=(Channel.EMAIL, Channel.SLACK))
    crew.rows("update user_profiles set org_id = :org where id = :id", org=other, id=ada)
    crew.wait(hours=4)
    crew.tick()
    assert (crew.got(), crew.posts) == (0, [])
    assert crew.states(ada) == crew.states(ada, "slack") == [("skipped", "user_inactive")]


@pytest.mark.parametrize("moment", BEYOND)
def test_what_never_expires_leaves(crew: Crew, moment: str) -> None:
    ada = crew.person()
    crew.announce(ada)
    crew.rows(f"update notifications set expires_at = '{moment}'")
    crew.tick()
    assert (crew.got(), crew.states(ada)) == (1, [("sent", None)])


@pytest.mark.parametrize("moment", BEFORE)
def test_what_expired_before_all_time_is_left_out(crew: Crew, moment: str) -> None:
    ada = crew.person()
    crew.announce(ada)
    crew.rows(f"update notifications set expires_at = '{moment}'")
    crew.tick()
    assert (crew.got(), crew.states(ada)) == (0, [("skipped", "expired")])


@pytest.mark.parametrize("moment", [*BEYOND, *BEFORE])
@pytest.mark.parametrize("frequency", ["immediate", "hourly_digest"])
def test_no_moment_of_any_row_stops_the_others_or_a_reader(crew: Crew, moment: str, frequency: str) -> None:
    """Every time of Ada's rows is planted; Bob hears, and everything about Ada can be shown."""
    ada, bob = crew.person("ada"), crew.person("bob")
    for person in (ada, bob):
        crew.prefer(person, frequency=frequency)
    crew.announce(ada, bob, expires_at=crew.now + timedelta(hours=9))
    for table, columns in _TIMES.items():
        for column in columns:
            crew.rows(f"update {table} set {column} = '{moment}' where user_id = :ada", ada=ada)
    crew.wait(hours=1)
    assert crew.tick().refused == 0
    assert crew.got("bob") == 1
    colleague = find_colleague(crew.db, str(ada))
    (row,) = crew.rows("select id from notifications where user_id = :ada", ada=ada)
    show_history(crew.db, row["id"], crew.now)
    settings_of_person(crew.db, colleague, crew.now)
    assert simulate_week(crew.db, colleague, SettingsChange(frequency=Frequency.WEEKLY_DIGEST), crew.now).user_id == ada
    assert len(list_deliveries(crew.db, user_id=ada)) == 2
    assert len(show_channels(crew.db, crew.now)) == len(Channel)


_TIMES = {
    "notifications": ("created_at", "updated_at", "expires_at"),
    "notification_deliveries": ("created_at", "updated_at"),
    "notification_preferences": ("dnd_until", "created_at", "updated_at"),
}


def test_every_time_of_these_tables_is_read_as_one_that_can_be_counted(crew: Crew) -> None:
    columns = crew.rows(
        """select distinct column_name::text as name from information_schema.columns
           where table_schema = 'public' and table_name like 'notification%' and data_type like 'timestamp%'"""
    )
    rows = [{row["name"]: "infinity" for row in columns} | {row["name"]: "-infinity" for row in columns[:1]}]
    never_read = {"claimed_until", "email_unsubscribed_at", "disabled_at", "rests_until", "shared_at", "began_at"}
    (read,) = countable(rows)
    assert {name for name, moment in read.items() if isinstance(moment, str)} <= never_read


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_one_notification_that_cannot_be_read_holds_up_no_other_mail_of_its_batch(crew: Crew, channel: str) -> None:
    """It may have been sent, so its batch cannot be taken apart."""
    plant_text_template(crew)
    crew.texts = phone = Phone(troubles=["unclear_lost"] * 3)
    people = [crew.person(f"p{number}", phone=f"+1555010000{number}") for number in range(3)]
    for person in people:
        crew.prefer(person, channels=["in_app", channel])
    crew.sim.fault("cut_before")
    crew.announce(*people, **({} if channel == "email" else {"slug": "text", "variables": {"task": {"title": "you"}}}))
    crew.tick()
    crew.rows(
        "update notification_deliveries set lane = 7 where user_id = :bad and channel = :one",
        bad=people[1],
        one=channel,
    )
    for _ in range(4):
        crew.wait(minutes=20)
        crew.tick()
    assert [state for state, _ in crew.states(channel=channel)].count("sent") == 2
    assert crew.states(people[1], channel) == [("queued", None)]
    assert "notification_unreadable" in crew.incidents()
    crew.rows(
        "update notification_deliveries set lane = 2 where user_id = :bad and channel = :one",
        bad=people[1],
        one=channel,
    )
    crew.wait(hours=2)
    crew.tick()
    mend_left_behind(crew.db, crew.now)
    assert crew.states(people[1], channel) == [("sent", None)]
    assert (crew.got("p1"), len(phone.sent)) == ((1, 0) if channel == "email" else (0, 3))
    assert "notification_unreadable" not in crew.incidents()


@pytest.mark.parametrize("broken", ["lane = 7", "category = 'broken'"])
def test_a_member_that_cannot_be_read_fails_alone_and_the_rest_of_the_digest_leaves(crew: Crew, broken: str) -> None:
    """By us, or by the database."""
    crew.rows(_REFUSES_A_CATEGORY)
    ada, bob = crew.person("ada"), crew.person("bob")
    for person in (ada, bob):
        crew.prefer(person, frequency="hourly_digest")
    for number in range(5):
        crew.announce(ada, bob, title=f"Task {number}")
    member = crew.deliveries(ada)[2]["id"]
    crew.rows(f"update notification_deliveries set {broken} where id = :member", member=member)
    crew.wait(hours=1)
    crew.tick()
    states = {row["id"]: (row["state"], row["reason"]) for row in crew.deliveries(ada)}
    assert states.pop(member) == ("failed", "refused")
    assert set(states.values()) == {("sent", "hourly_digest")}
    assert (crew.got("ada"), crew.got("bob")) == (1, 1)
    assert "4 notifications" in [mail.payload["subject"] for mail in crew.sim.mails]


def test_a_digest_of_which_no_member_can_be_read_fails_alone(crew: Crew) -> None:
    ada, bob = crew.person("ada"), crew.person("bob")
    for person in (ada, bob):
        crew.prefer(person, frequency="hourly_digest")
    for _ in range(9):
        crew.announce(ada, bob)
    crew.rows("update notification_deliveries set lane = 7 where user_id = :ada and channel = 'email'", ada=ada)
    crew.wait(hours=1)
    crew.tick()
    assert set(crew.states(ada)) == {("failed", "refused")}
    assert (crew.got("ada"), crew.got("bob")) == (0, 1)
    assert [row["state"] for row in crew.rows("select state from notification_digests order by state")] == [
        "failed",
        "sent",
    ]


_LANE = "update notification_deliveries set lane = :lane where user_id = :bad and channel = :channel"
_REFUSES_A_CATEGORY = """do $plant$
declare
    made text := pg_get_functiondef('notification_setting(uuid, text)'::regprocedure);
begin
    alter function notification_setting(uuid, text) rename to setting_kept;
    made := replace(replace(made, ' STABLE', ''), 'LANGUAGE sql', 'LANGUAGE plpgsql');
    execute left(made, position('$function$' in made) - 1) || $body$$function$
        begin
            if wanted_category = 'broken' then raise exception 'planted'; end if;
            return query select * from setting_kept(wanted_user, wanted_category);
        end $function$$body$;
end $plant$"""
