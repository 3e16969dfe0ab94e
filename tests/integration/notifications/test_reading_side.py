"""What a person may read and change: own notifications, marks and preferences, as PostgREST asks for them."""

from uuid import UUID

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.errors import DuplicateRow, FatalError, RejectedInput
from tests.support.notifications.readers import People, as_reader, notify_plainly, plant_people
from tests.support.platform.rows import one, rows_of


@pytest.fixture
def people(database: Database) -> People:
    return plant_people(database)


def unread(database: Database, user: UUID | None, category: str | None = None) -> int:
    (row,) = as_reader(database, user, "select unread_notification_count(:category) as n", category=category)
    return int(row["n"])


def rows_unread(database: Database, user: UUID) -> int:
    (row,) = as_reader(
        database,
        user,
        """select count(*)::integer as n from notifications
           where read_at is null and archived_at is null and (expires_at is null or expires_at > now())""",
    )
    return int(row["n"])


def call(database: Database, user: UUID | None, function: str, **values: object) -> dict[str, int]:
    arguments = ", ".join(f"{name} => :{name}" for name in values)
    (row,) = as_reader(database, user, f"select * from {function}({arguments})", **values)  # type: ignore[arg-type]
    return dict(row)


def test_a_person_counts_and_lists_own_rows_only(database: Database, people: People) -> None:
    for user, times in ((people.ada, 3), (people.bob, 1)):
        for _ in range(times):
            notify_plainly(database, user)
    everybody = [people.ada, people.bob, people.stranger, None]
    assert [unread(database, user) for user in everybody] == [3, 1, 0, 0]
    listed = [len(as_reader(database, user, "select id from notifications")) for user in everybody]
    assert listed == [3, 1, 0, 0]


def test_read_archived_and_expired_rows_are_not_unread(database: Database, people: People) -> None:
    for column in ("read_at", "archived_at", "expires_at"):
        made = notify_plainly(database, people.ada)
        rows_of(database, f"update notifications set {column} = now() where id = :id", id=made)
    notify_plainly(database, people.ada)
    assert (unread(database, people.ada), rows_unread(database, people.ada)) == (1, 1)


def test_marking_answers_with_what_changed_and_what_is_left(database: Database, people: People) -> None:
    own = [notify_plainly(database, people.ada) for _ in range(3)]
    foreign = notify_plainly(database, people.bob)
    ids = [own[0], own[1], foreign]
    assert call(database, people.ada, "mark_notifications_read", ids=ids) == {"changed": 2, "unread": 1}
    assert call(database, people.ada, "mark_notifications_read", ids=ids) == {"changed": 0, "unread": 1}
    assert call(database, people.ada, "mark_notifications_unread", ids=ids) == {"changed": 2, "unread": 3}
    assert call(database, people.ada, "archive_notifications", ids=ids) == {"changed": 2, "unread": 1}
    assert call(database, people.ada, "archive_notifications", ids=ids) == {"changed": 0, "unread": 1}
    assert unread(database, people.bob) == 1


def test_all_of_a_category_or_all_at_once(database: Database, people: People) -> None:
    for category in ("deal", "deal", "task", "task", "mention"):
        rows_of(
            database,
            "update notifications set category = :category where id = :id",
            id=notify_plainly(database, people.ada),
            category=category,
        )
    notify_plainly(database, people.bob)
    assert unread(database, people.ada, "deal") == 2
    assert call(database, people.ada, "mark_all_notifications_read", in_category="deal") == {"changed": 2, "unread": 3}
    assert call(database, people.ada, "archive_read_notifications", in_category="task") == {"changed": 0, "unread": 3}
    assert call(database, people.ada, "mark_all_notifications_read") == {"changed": 3, "unread": 0}
    assert call(database, people.ada, "archive_read_notifications") == {"changed": 5, "unread": 0}
    assert unread(database, people.bob) == 1


@pytest.mark.parametrize("user", ["stranger", None])
def test_somebody_else_marks_nothing(database: Database, people: People, user: str | None) -> None:
    made = notify_plainly(database, people.ada)
    caller = getattr(people, user) if user else None
    for function in ("mark_notifications_read", "archive_notifications"):
        assert call(database, caller, function, ids=[made]) == {"changed": 0, "unread": 0}
    for function in ("mark_all_notifications_read", "archive_read_notifications"):
        assert call(database, caller, function) == {"changed": 0, "unread": 0}
    changed = as_reader(database, caller, "update notifications set read_at = now() returning id")
    assert changed == []
    assert unread(database, people.ada) == 1


def test_of_a_group_one_row_is_unread(database: Database, people: People) -> None:
    older, newer = (
        notify_plainly(database, people.ada, group_key="deal:1", group_count=1, read_at="2026-01-01T00:00Z")
        for _ in range(2)
    )
    rows_of(database, "update notifications set created_at = '2025-01-01T00:00Z' where id = :id", id=older)
    assert call(database, people.ada, "mark_notifications_unread", ids=[older, newer]) == {"changed": 1, "unread": 1}
    assert one(database, "select id from notifications where read_at is null")["id"] == newer
    assert call(database, people.ada, "mark_notifications_unread", ids=[older]) == {"changed": 0, "unread": 1}


@pytest.mark.parametrize(
    "column", ["title", "message", "user_id", "org_id", "created_at", "delivery_status", "updated_at"]
)
def test_a_person_changes_nothing_of_a_notification_but_its_marks(
    database: Database, people: People, column: str
) -> None:
    notify_plainly(database, people.ada)
    with pytest.raises(FatalError, match="42501"):
        as_reader(database, people.ada, f"update notifications set {column} = {column}")
    for statement in ("delete from notifications", "insert into notifications (title) values ('x')"):
        with pytest.raises(FatalError, match="42501"):
            as_reader(database, people.ada, statement)


def test_the_databases_clock_says_when_a_row_was_read(database: Database, people: People) -> None:
    notify_plainly(database, people.ada)
    as_reader(
        database,
        people.ada,
        "update notifications set read_at = '1970-01-01T00:00Z', archived_at = '2999-01-01T00:00Z'",
    )
    marks = one(
        database,
        """select now() - read_at < '1 minute' and now() - archived_at < '1 minute' and archived_at <= now() as ours,
               updated_at > created_at as changed from notifications""",
    )
    assert marks == {"ours": True, "changed": True}


def test_what_was_missed_is_found_by_the_time_of_change(database: Database, people: People) -> None:
    old, marked, new = (notify_plainly(database, people.ada) for _ in range(3))
    rows_of(database, "update notifications set updated_at = '2026-01-01T00:00Z'")
    call(database, people.ada, "mark_notifications_read", ids=[marked])
    rows_of(database, "update notifications set title = 'Two deals won' where id = :id", id=new)
    missed = as_reader(
        database, people.ada, "select id from notifications where updated_at > now() - interval '1 minute' order by 1"
    )
    assert {row["id"] for row in missed} == {marked, new}
    assert old not in {row["id"] for row in missed}


def test_a_person_keeps_own_preferences(database: Database, people: People) -> None:
    as_reader(
        database,
        people.ada,
        """insert into notification_preferences (category, channels, frequency)
           values ('deal', '["email"]', 'daily_digest')
           on conflict (user_id, category) do update set frequency = excluded.frequency""",
    )
    as_reader(database, people.ada, "update notification_preferences set email_unsubscribed = true, dnd_enabled = true")
    kept = one(
        database,
        """select user_id, org_id = default_org_id() as own_org, frequency, email_unsubscribed_at is not null as stamped
           from notification_preferences""",
    )
    assert kept == {"user_id": people.ada, "own_org": True, "frequency": "daily_digest", "stamped": True}
    assert as_reader(database, people.bob, "select * from notification_preferences") == []
    assert as_reader(database, people.bob, "delete from notification_preferences returning id") == []
    as_reader(database, people.ada, "update notification_preferences set email_unsubscribed = false")
    assert one(database, "select email_unsubscribed_at as at from notification_preferences")["at"] is None
    assert len(as_reader(database, people.ada, "delete from notification_preferences returning category")) == 1


def test_nobody_writes_preferences_for_somebody_else_or_into_another_organization(
    database: Database, people: People
) -> None:
    foreign = one(database, "select org_id from user_profiles where id = :id", id=people.stranger)["org_id"]
    for values in ({"user_id": people.bob}, {"org_id": foreign}):
        (name,) = values
        with pytest.raises(FatalError, match="42501"):
            as_reader(
                database,
                people.ada,
                f"insert into notification_preferences (category, {name}) values ('deal', :value)",
                value=values[name],
            )
    as_reader(database, people.ada, "insert into notification_preferences (category) values ('deal')")
    for name, value in (("user_id", people.bob), ("org_id", foreign)):
        with pytest.raises(FatalError, match="42501"):
            as_reader(database, people.ada, f"update notification_preferences set {name} = :value", value=value)


@pytest.mark.parametrize(
    "columns",
    [
        "channels = '[\"pigeon\"]'",
        "channels = '\"email\"'",
        "frequency = 'yearly'",
        "quiet_hours_timezone = 'Mars/Olympus'",
        "digest_day = 'mon'",
    ],
)
def test_a_preference_that_nobody_could_act_on_is_refused(database: Database, people: People, columns: str) -> None:
    as_reader(database, people.ada, "insert into notification_preferences (category) values ('deal')")
    with pytest.raises((RejectedInput, DuplicateRow), match="23514"):
        as_reader(database, people.ada, f"update notification_preferences set {columns}")


def test_system_templates_are_read_by_every_user_and_an_organizations_by_its_own(
    database: Database, people: People
) -> None:
    rows_of(
        database,
        """insert into notification_templates (org_id, name, slug, category, title_template, message_template)
           values (default_org_id(), 'Own', 'deal_closed_won', 'deal', 'Won', 'Won')""",
    )
    asked = "select count(*)::integer as n, count(org_id)::integer as own from notification_templates"
    seen = [as_reader(database, user, asked)[0] for user in (people.ada, people.stranger, None)]
    assert [(row["n"], row["own"]) for row in seen] == [(10, 1), (9, 0), (0, 0)]
    with pytest.raises(FatalError, match="42501"):
        as_reader(database, people.ada, "update notification_templates set title_template = 'x'")


@pytest.mark.parametrize("role", ["crm_relay", "service_role", "postgres"])
@pytest.mark.parametrize(
    "statement",
    [
        "update notification_templates set title_template = 'x' where is_system",
        "update notification_templates set is_system = false, org_id = default_org_id() where is_system",
        "update notification_templates set is_active = false where slug = 'deal_closed_won'",
        "delete from notification_templates where slug = 'deal_closed_won'",
        "delete from notification_templates",
        "truncate notification_templates",
    ],
)
def test_a_system_template_is_changed_and_deleted_by_nobody(database: Database, role: str, statement: str) -> None:
    with pytest.raises(RejectedInput, match="23514"):
        database.run_script(f"begin; set local role {role}; {statement}; commit")
    database.run_script("rollback")
    assert one(database, "select count(*)::integer as n from notification_templates where is_system")["n"] == 9


def test_an_organizations_row_cannot_become_a_system_template(database: Database) -> None:
    rows_of(
        database,
        """insert into notification_templates (org_id, name, slug, category, title_template, message_template)
           values (default_org_id(), 'Own', 'own', 'deal', 'Won', 'Won')""",
    )
    with pytest.raises(RejectedInput, match="23514"):
        rows_of(database, "update notification_templates set is_system = true, org_id = null where slug = 'own'")


def test_every_change_of_a_template_is_a_new_version(database: Database) -> None:
    rows_of(
        database,
        """insert into notification_templates (org_id, name, slug, category, title_template, message_template)
           values (default_org_id(), 'Own', 'own', 'deal', 'Won', 'Won')""",
    )
    versions = []
    for change in ("title_template = 'Won'", "title_template = 'Won!'", "message_template = 'x', version = 99"):
        rows_of(database, f"update notification_templates set {change} where slug = 'own'")
        versions.append(one(database, "select version from notification_templates where slug = 'own'")["version"])
    assert versions == [1, 2, 3]


@pytest.mark.parametrize("table", ["notification_keys", "notification_slack_webhooks"])
def test_what_is_a_secret_or_nobodys_business_is_not_readable(database: Database, people: People, table: str) -> None:
    with pytest.raises(FatalError, match="42501"):
        as_reader(database, people.ada, f"select * from {table}")


@pytest.mark.parametrize("table", ["notification_deliveries", "notification_digests"])
def test_a_person_reads_own_deliveries_and_digests_without_their_content(
    database: Database, people: People, table: str
) -> None:
    made = notify_plainly(database, people.ada)
    rows_of(
        database,
        """insert into notification_deliveries (notification_id, org_id, user_id, channel, category, state, content)
           values (:made, default_org_id(), :user, 'email', 'deal', 'sent', '{"text": "x"}')""",
        made=made,
        user=people.ada,
    )
    rows_of(
        database,
        """insert into notification_digests (org_id, user_id, channel, leaves_at, not_before, content)
           values (default_org_id(), :user, 'email', now(), now(), '{"text": "x"}')""",
        user=people.ada,
    )
    shown = [len(as_reader(database, user, f"select state, reason from {table}")) for user in (people.ada, people.bob)]
    assert shown == [1, 0]
    for column in ("content", "send_id", "*"):
        with pytest.raises(FatalError, match="42501"):
            as_reader(database, people.ada, f"select {column} from {table}")


@pytest.mark.parametrize(
    ("profile", "saved"),
    [("Europe/Berlin", "Europe/Berlin"), (None, "America/New_York"), ("Mars/Base", "America/New_York")],
)
def test_a_preference_without_a_zone_goes_by_the_clock_of_its_person(
    database: Database, people: People, profile: str | None, saved: str
) -> None:
    rows_of(database, "update user_profiles set timezone = :zone where id = :id", zone=profile, id=people.ada)
    as_reader(
        database,
        people.ada,
        "insert into notification_preferences (category, quiet_hours_enabled) values ('deal', true) returning id",
    )
    (row,) = rows_of(database, "select quiet_hours_timezone as zone from notification_preferences")
    assert row["zone"] == saved
