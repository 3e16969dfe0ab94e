"""An application that had notifications before: its rows, policies, rights and subscription stay as they are."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from crm_relay.platform.migrations import migrate, read_migrations
from tests.support.notifications.readers import as_reader
from tests.support.platform.rows import one, rows_of
from tests.support.source_tree import ROOT

ADA, BOB = UUID(int=1), UUID(int=2)
ORG = UUID(int=9)
BEFORE = f"""
do $$ begin create role authenticated nologin; exception when duplicate_object then null; end $$;
create table organizations (id uuid primary key, name text not null, created_at timestamptz default now());
create table user_profiles (id uuid primary key, org_id uuid references organizations (id), email text);
insert into organizations (id, name) values ('{ORG}', 'Own');
insert into user_profiles values ('{ADA}', '{ORG}', 'ada@example.com'), ('{BOB}', '{ORG}', 'bob@example.com');
create table notifications (
    id uuid primary key default gen_random_uuid(), org_id uuid not null references organizations (id),
    user_id uuid not null references user_profiles (id), title text not null, message text not null,
    type text default 'info', category text not null, is_starred boolean default false,
    created_at timestamptz default now()
);
alter table notifications enable row level security;
create policy own_rows on notifications for all to authenticated
    using (user_id::text = current_setting('request.jwt.claims', true)::jsonb ->> 'sub');
grant all on notifications to authenticated;
insert into notifications (org_id, user_id, title, message, category)
    values ('{ORG}', '{ADA}', 'Old', 'Kept', 'deal'), ('{ORG}', '{BOB}', 'Old', 'Kept', 'deal');
create table notification_preferences (
    id uuid primary key default gen_random_uuid(), org_id uuid not null references organizations (id),
    user_id uuid not null references user_profiles (id), category varchar(100) not null,
    channels jsonb default '["in_app"]', frequency varchar(50) default 'immediate', digest_time time default '09:00',
    digest_day varchar(10) default 'monday', quiet_hours_enabled boolean default false,
    quiet_hours_start time default '22:00', quiet_hours_end time default '08:00',
    quiet_hours_timezone varchar(50) default 'America/New_York', dnd_enabled boolean default false,
    dnd_until timestamptz, sound_enabled boolean default true, email_unsubscribed boolean default false,
    email_unsubscribed_at timestamptz, created_at timestamptz default now(), updated_at timestamptz default now(),
    constraint unique_user_category unique (user_id, category)
);
create publication supabase_realtime for table notifications;
"""


@pytest.fixture
def applications_own(empty_database_url: str) -> Iterator[Database]:
    database = Database(empty_database_url, timeout=60)
    database.run_script(BEFORE)
    migrate(database, read_migrations(ROOT / "migrations"))
    yield database
    database.close()


def test_rows_policies_and_rights_are_as_before(applications_own: Database) -> None:
    database = applications_own
    listed = as_reader(database, ADA, "select title, is_starred from notifications")
    assert listed == [{"title": "Old", "is_starred": False}]
    changed = as_reader(database, ADA, "update notifications set is_starred = true, title = 'New' returning is_starred")
    assert changed == [{"is_starred": True}]
    policies = rows_of(database, "select polname from pg_policy where polrelid = 'notifications'::regclass order by 1")
    assert [row["polname"] for row in policies] == ["own_rows", "service_role_all"]
    assert one(database, "select relrowsecurity as on from pg_class where relname = 'notification_preferences'") == {
        "on": False
    }


def test_the_functions_work_on_its_rows(applications_own: Database) -> None:
    (row,) = as_reader(applications_own, ADA, "select unread_notification_count() as n")
    assert row["n"] == 1
    (row,) = as_reader(applications_own, ADA, "select * from mark_all_notifications_read()")
    assert row == {"changed": 1, "unread": 0}
    left = one(applications_own, "select count(*)::integer as n from notifications where read_at is null")
    assert left["n"] == 1


def test_what_is_new_is_secured_all_the_same(applications_own: Database) -> None:
    with pytest.raises(FatalError, match="42501"):
        as_reader(applications_own, ADA, "select * from notification_slack_webhooks")
    assert as_reader(applications_own, ADA, "select id from notification_deliveries") == []
    (row,) = as_reader(applications_own, ADA, "select count(*)::integer as n from notification_templates")
    assert row["n"] == 9
