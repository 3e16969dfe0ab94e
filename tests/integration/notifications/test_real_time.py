"""Real time in both forms: changes through a logical replication slot, and messages on a private topic."""

import re
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_relay.platform.database import Database
from tests.support.notifications.readers import (
    STAND_IN,
    People,
    as_reader,
    messages,
    notify_plainly,
    plant_people,
)
from tests.support.platform.rows import one, rows_of

CHANGES = """
    select get_byte(data, 0) as kind, encode(data, 'escape') as text
    from pg_logical_slot_get_binary_changes(
        :slot, null, null, 'proto_version', '1', 'publication_names', 'supabase_realtime'
    )
"""
PAYLOAD = {
    "id", "title", "message", "type", "category", "priority", "action_url", "action_label", "group_count", "is_silent",
    "created_at", "updated_at", "unread",
}  # fmt: skip


@pytest.fixture
def people(database: Database) -> People:
    return plant_people(database)


@pytest.fixture
def realtime(database: Database) -> Database:
    """Realtime was installed after this schema."""
    database.run_script(STAND_IN)
    assert one(database, "select allow_own_notification_topic() as done")["done"]
    return database


@pytest.fixture
def slot(database: Database) -> Iterator[str]:
    """As Realtime reads: a logical replication slot of pgoutput."""
    name = f"slot_{uuid4().hex[:12]}"
    rows_of(database, "select pg_create_logical_replication_slot(:name, 'pgoutput')", name=name)
    yield name
    rows_of(database, "select pg_drop_replication_slot(:name)", name=name)


def changes(database: Database, slot: str) -> list[tuple[str, str]]:
    """(I, U or D, the row as text) of every change since the last call."""
    return [
        (chr(row["kind"]), row["text"]) for row in rows_of(database, CHANGES, slot=slot) if chr(row["kind"]) in "IUD"
    ]


def test_an_insert_and_an_update_are_changes_of_the_publication(database: Database, people: People, slot: str) -> None:
    made = notify_plainly(database, people.ada, "Deal won: Northwind")
    ((kind, text),) = changes(database, slot)
    assert (kind, str(made) in text, "Deal won: Northwind" in text) == ("I", True, True)

    rows_of(database, "update notifications set group_count = 2, title = 'Two deals won' where id = :id", id=made)
    ((kind, text),) = changes(database, slot)
    assert (kind, "Two deals won" in text) == ("U", True)


def test_what_else_of_the_room_is_published_is_nothing(database: Database) -> None:
    published = rows_of(
        database,
        "select tablename from pg_publication_tables where pubname = 'supabase_realtime' and tablename like 'notif%'",
    )
    assert [row["tablename"] for row in published] == ["notifications"]


def test_a_change_shows_a_subscriber_the_row_of_that_subscriber_only(database: Database, people: People) -> None:
    """Realtime asks for each subscriber whether the policies show the changed row."""
    made = notify_plainly(database, people.ada)
    visible = [
        len(as_reader(database, user, "select id from notifications where id = :id", id=made))
        for user in (people.ada, people.bob, people.stranger, None)
    ]
    assert visible == [1, 0, 0, 0]


def test_where_realtime_is_missing_nothing_fails(database: Database, people: People) -> None:
    assert not one(database, "select allow_own_notification_topic() as done")["done"]
    made = notify_plainly(database, people.ada)
    rows_of(database, "update notifications set title = 'x', group_count = 2 where id = :id", id=made)
    rows_of(database, "delete from notifications where id = :id", id=made)


def test_a_new_notification_is_a_message_on_its_persons_topic(realtime: Database, people: People) -> None:
    notify_plainly(realtime, people.bob)
    messages(realtime)
    made = notify_plainly(
        realtime, people.ada, type="success", priority="high", action_url="/deals/1", action_label="Open", group_count=1
    )
    (message,) = messages(realtime)
    assert (message["topic"], message["event"], message["private"]) == (
        f"user:{people.ada}",
        "notification_created",
        True,
    )
    payload = message["payload"]
    assert payload.keys() == PAYLOAD
    wanted = {
        "id": str(made), "title": "Deal won", "message": "A message", "type": "success", "category": "deal",
        "priority": "high", "action_url": "/deals/1", "action_label": "Open", "group_count": 1, "is_silent": False,
        "unread": 1,
    }  # fmt: skip
    assert {name: payload[name] for name in wanted} == wanted


def test_a_group_that_grows_is_a_message_of_its_own(realtime: Database, people: People) -> None:
    made = notify_plainly(realtime, people.ada, group_key="deal:1", group_count=1)
    messages(realtime)
    rows_of(realtime, "update notifications set group_count = 2, title = 'Two deals won' where id = :id", id=made)
    (message,) = messages(realtime)
    assert (message["event"], message["payload"]["group_count"]) == ("notification_updated", 2)
    assert message["payload"]["title"] == "Two deals won"


def test_what_one_tab_marks_every_tab_hears(realtime: Database, people: People) -> None:
    made = [notify_plainly(realtime, people.ada) for _ in range(3)]
    messages(realtime)
    as_reader(realtime, people.ada, "select mark_notifications_read(cast(:ids as uuid[]))", ids=made[:2])
    (message,) = messages(realtime)
    assert (message["topic"], message["event"]) == (f"user:{people.ada}", "notifications_changed")
    marked = message["payload"]["notifications"]
    assert {each["id"] for each in marked} == {str(each) for each in made[:2]}
    assert all(each["read_at"] and not each["is_removed"] for each in marked)
    assert (message["payload"]["unread"], message["payload"]["is_complete"]) == (1, True)
    as_reader(realtime, people.ada, "update notifications set archived_at = now()")
    (message,) = messages(realtime)
    assert message["payload"]["unread"] == 0


def test_a_row_that_goes_unread_is_broadcast_and_one_that_was_read_is_not(realtime: Database, people: People) -> None:
    made = notify_plainly(realtime, people.ada)
    notify_plainly(realtime, people.ada, read_at="2026-01-01T00:00Z")
    messages(realtime)
    rows_of(realtime, "delete from notifications")
    (message,) = messages(realtime)
    (removed,) = message["payload"]["notifications"]
    assert (removed["id"], removed["is_removed"], message["payload"]["unread"]) == (str(made), True, 0)


def test_what_nobody_sees_is_no_message(realtime: Database, people: People) -> None:
    made = notify_plainly(realtime, people.ada, archived_at="2026-01-01T00:00Z")
    rows_of(realtime, """update notifications set delivery_status = '{"email": "sent"}' where id = :id""", id=made)
    rows_of(realtime, "update notifications set title = title")
    assert messages(realtime) == []


def test_a_flood_is_a_few_messages(realtime: Database, people: People) -> None:
    rows_of(
        realtime,
        """insert into notifications (user_id, title, message, category)
           select person, 'x', repeat('x', 5000), 'deal'
           from unnest(cast(:people as uuid[])) as person, generate_series(1, 150)""",
        people=[people.ada, people.bob],
    )
    sent = messages(realtime)
    for user in (people.ada, people.bob):
        own = [message for message in sent if message["topic"] == f"user:{user}"]
        assert [message["event"] for message in own].count("notification_created") == 20
        (rest,) = [message["payload"] for message in own if message["event"] == "notifications_changed"]
        assert (len(rest["notifications"]), rest["is_complete"], rest["unread"]) == (100, False, 150)
        assert max(len(message["payload"].get("message", "")) for message in own) == 2000


def test_a_broadcast_that_fails_leaves_the_notification(realtime: Database, people: People) -> None:
    realtime.run_script(
        """create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true)
           returns void language plpgsql as $$ begin raise exception 'no partition'; end $$"""
    )
    made = notify_plainly(realtime, people.ada)
    rows_of(realtime, "update notifications set read_at = now() where id = :id", id=made)
    assert one(realtime, "select read_at is not null as read from notifications")["read"]
    assert messages(realtime) == []


def test_a_message_is_for_the_transaction_that_commits(realtime: Database, people: People) -> None:
    realtime.run_script(
        f"""begin; insert into notifications (user_id, title, message, category)
            values ('{people.ada}', 'x', 'x', 'deal'); rollback"""
    )
    assert messages(realtime) == []


def may_join(database: Database, user: UUID | None, topic: str) -> bool:
    """As Realtime authorises a private topic: may the client read a message of it."""
    return bool(as_reader(database, user, "select id from realtime.messages where topic = :t", topic=topic, t=topic))


def test_a_topic_is_heard_by_its_person_alone(realtime: Database, people: People) -> None:
    notify_plainly(realtime, people.ada)
    topic = f"user:{people.ada}"
    assert [may_join(realtime, user, topic) for user in (people.ada, people.bob, people.stranger, None)] == [
        True, False, False, False,
    ]  # fmt: skip
    rows_of(realtime, "update realtime.messages set topic = 'user:', extension = 'broadcast'")
    assert not may_join(realtime, None, "user:")
    assert not may_join(realtime, people.ada, "user:")


def test_presence_and_other_extensions_of_the_topic_stay_closed(realtime: Database, people: People) -> None:
    notify_plainly(realtime, people.ada)
    rows_of(realtime, "update realtime.messages set extension = 'presence'")
    assert not may_join(realtime, people.ada, f"user:{people.ada}")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(topic=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50))
def test_no_topic_makes_the_policy_raise(realtime: Database, people: People, topic: str) -> None:
    assert not may_join(realtime, people.ada, topic)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["insert", "insert", "grow", "read", "unread", "archive", "read_all", "archive_read", "delete"]
        ),
        st.integers(0, 1),
        st.integers(0, 5),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_count_rows_and_messages_agree_after_any_history(
    realtime: Database, people: People, steps: list[tuple[str, int, int]]
) -> None:
    users = (people.ada, people.bob)
    rows_of(realtime, "delete from notifications")
    messages(realtime)
    heard = dict.fromkeys(users, 0)
    for step, person, place in steps:
        act(realtime, step, users[person], place)
        for message in messages(realtime):
            heard[UUID(re.sub("^user:", "", message["topic"]))] = message["payload"]["unread"]
        for user in users:
            counted = as_reader(realtime, user, "select unread_notification_count() as n")[0]["n"]
            listed = as_reader(
                realtime, user, "select id from notifications where read_at is null and archived_at is null"
            )
            assert (heard[user], counted) == (len(listed), len(listed)), step


def act(database: Database, step: str, user: UUID, place: int) -> None:
    own = rows_of(database, "select id from notifications where user_id = :user order by created_at, id", user=user)
    ids = [row["id"] for row in own[place : place + 2]]
    calls = {
        "read": "mark_notifications_read",
        "unread": "mark_notifications_unread",
        "archive": "archive_notifications",
    }
    alls = {"read_all": "mark_all_notifications_read", "archive_read": "archive_read_notifications"}
    if step == "insert":
        notify_plainly(database, user)
    elif step == "grow":
        rows_of(
            database,
            """update notifications set group_count = coalesce(group_count, 1) + 1
               where id = any (cast(:ids as uuid[])) and read_at is null and archived_at is null""",
            ids=ids,
        )
    elif step == "delete":
        rows_of(database, "delete from notifications where id = any (cast(:ids as uuid[]))", ids=ids)
    elif step in calls:
        as_reader(database, user, f"select {calls[step]}(cast(:ids as uuid[]))", ids=ids)
    else:
        as_reader(database, user, f"select {alls[step]}()")
