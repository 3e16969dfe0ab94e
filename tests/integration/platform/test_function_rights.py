"""Who may execute what: EXECUTE is granted by name, and a function without a line in these lists fails a test."""

import time
from collections.abc import Iterator

import pytest

from crm_relay.consent.address import normalise
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import FatalError
from crm_relay.platform.migrations import migrate, read_migrations
from tests.support.platform.filled_schema import EVERYWHERE, fill_every_table
from tests.support.platform.rows import one, parse, rows_of
from tests.support.source_tree import ROOT

# Function -> why `authenticated` may execute it. `anon` may execute none.
CLIENTS = {
    "current_org()": "policies",
    "current_user_id()": "policies",
    "current_workspace_ids()": "policies",
    "current_workspace_names()": "policies",
    "jwt_subject()": "called by current_user_id",
    "uuid_or_null(text)": "called by current_user_id",
    "default_org_id()": "policies, and the default of org_id in tables that an application writes to",
    "normalise_address(text)": "views, and indexes of tables that an application writes to",
    "normalise_unicode_address(text)": "called by normalise_address",
    "normalise_phone(text)": "indexes of tables that an application writes to",
    "consent_effective_at(timestamp with time zone,timestamp with time zone)": "the view consent_state",
    "consent_clock_tolerance()": "called by consent_effective_at",
    "holds_everywhere(text,text)": "the view consent_state",
    "usable_zone(text)": "called by workspace_zone",
    "zone_meant(text)": "called by usable_zone",
    "integration_status(uuid,text)": "a page of somebody's own",
    "is_integration_enabled(uuid,text)": "the same",
    "workspace_zone(text)": "called by workspace_month",
    "is_time_zone(text)": "a check of preferences that their person writes",
    "own_time_zone()": "a default of preferences that their person writes",
    "are_notification_channels(jsonb)": "a check of preferences that their person writes",
    "unread_notification_count(text)": "the caller's own notifications",
    "mark_notifications_read(uuid[])": "the caller's own notifications",
    "mark_all_notifications_read(text)": "the caller's own notifications",
    "mark_notifications_unread(uuid[])": "the caller's own notifications",
    "archive_notifications(uuid[])": "the caller's own notifications",
    "archive_read_notifications(text)": "the caller's own notifications",
    "edge_bucket(uuid)": "the view edge_source, and indexes of tables that an application writes to",
    "edge_time(timestamp with time zone)": "the view edge_source",
    "aggregate_provider_stats()": "statistics over the accounts that the caller may see",
    "check_provider_reply_rate_drop(numeric,integer,integer)": "statistics over the rows that the caller may see",
    "get_account_status_stats()": "statistics over the accounts that the caller may see",
    "metric_column(text)": "names of counters",
    "workspace_month(text,timestamp with time zone)": "the month of a workspace that the caller may see",
}

# For the functions and nobody else.
SERVERS = """
    accept_email_batch(uuid,jsonb,timestamp with time zone)
    add_attempts(text,timestamp with time zone,integer,integer)
    add_event_keys(text,text[],boolean)
    add_bison_line(text,text,boolean,text,integer,bigint,text,text,boolean,text,integer,timestamp with time zone,bigint,bigint)
    add_bison_reply(uuid,uuid,text,text,text,text,timestamp with time zone,boolean)
    adopt_mail_events(uuid[])
    apply_bison_delivery(jsonb,jsonb)
    apply_mail_event(jsonb)
    apply_mautic_bounces(uuid[],integer)
    apply_mautic_deletions(jsonb)
    apply_mautic_events(jsonb,integer)
    apply_mautic_text_opt_outs(jsonb)
    apply_mautic_unsubscribes(uuid[])
    campaign_document(uuid)
    cancel_queued_mail(uuid[],text)
    changes_to_hear()
    colleagues_enrolled(uuid[])
    consent_facts(text,text[],uuid[])
    consent_key(text,text)
    consented_since(uuid,text,text,timestamp with time zone)
    count_bison_attempt(text,boolean,timestamp with time zone)
    count_mentions(text,text[],text)
    count_mentions(text,text[],text,bigint,bigint)
    count_outreach(text,text,integer,timestamp with time zone)
    customer_of_mautic_event(uuid,integer,text)
    edge_hash(uuid,bigint,text)
    edge_touch(text,uuid[])
    email_organization(uuid,uuid,text,text,text)
    email_cap(uuid,text,timestamp with time zone)
    email_room(uuid,timestamp with time zone)
    emails_waiting(uuid,timestamp with time zone)
    erase_enrollments(uuid[])
    erased_among(text[])
    erased_key(text,text)
    fold_letters(text)
    follow_mail_event(jsonb)
    increment_metric(text,text,integer)
    is_erased(uuid,text,text)
    is_mail_scanner(text)
    is_sending_stopped(uuid,text)
    keep_account_state(text,text,jsonb,timestamp with time zone,timestamp with time zone)
    keep_delivery(text,text,text,jsonb,text,timestamp with time zone,text[])
    keep_inbound_mail(jsonb)
    keep_lead(text,jsonb,timestamp with time zone)
    leaving_enrollments(uuid[],text[],text[],text[])
    listen_to_changes()
    lock_follower(uuid)
    lock_mail(uuid)
    rekey_outreach(text,text)
    relabel_outreach(text,text)
    workspace_key(text)
    workspace_now(text)
    lock_outreach(text,text[],bigint[],text[],bigint[],text,bigint[])
    log_bison_attempt(text,text,boolean,text,timestamp with time zone,integer,bigint,text)
    mail_status_rank(text)
    match_waiting_mautic_events(integer,integer)
    milliseconds_so_far()
    move_lead_times(text,bigint,timestamp with time zone,timestamp with time zone,timestamp with time zone)
    notification_setting(uuid,text)
    open_month(text,timestamp with time zone)
    punycode(text)
    put_account_state(text,bigint,text,timestamp with time zone,timestamp with time zone,timestamp with time zone)
    put_lead(text,bigint,text,text,text,text,text,timestamp with time zone,bigint,text,bigint,timestamp with time zone,text,timestamp with time zone,timestamp with time zone,timestamp with time zone)
    react_to_mails(uuid[],timestamp with time zone)
    read_mautic_events(jsonb)
    recipient_suppression(uuid,text,text,uuid)
    record_consent_events(jsonb)
    record_follower(uuid,text,integer,integer,integer,timestamp with time zone,timestamp with time zone,timestamp with time zone,timestamp with time zone,text,text,timestamp with time zone,text,timestamp with time zone)
    record_mail_event(uuid,text,jsonb,timestamp with time zone,text,text,text,text,text,text,text,timestamp with time zone,timestamp with time zone,timestamp with time zone,integer,integer,timestamp with time zone,timestamp with time zone,integer,integer,timestamp with time zone,timestamp with time zone,timestamp with time zone,text,timestamp with time zone,timestamp with time zone,text)
    redact_mentions(text,text[],text)
    refresh_email_send(uuid)
    refresh_engagement(uuid,timestamp with time zone)
    settle_bison_accounts(text,timestamp with time zone,boolean)
    settle_campaign_mail(jsonb,timestamp with time zone)
    settle_fixes(bigint,text,text,text,timestamp with time zone,jsonb)
    stop_answered(timestamp with time zone)
    stop_enrollments(uuid[],text,text,timestamp with time zone)
    stop_for_address(uuid,text,text,text,text,timestamp with time zone)
    suppression(uuid,text,text)
    system_identifier()
    take_back_ended(timestamp with time zone)
    take_back_queued(uuid[],text[],timestamp with time zone)
    take_turn(timestamp with time zone)
    topics_heard()
    try_uuid(text)
    unsubscribe_reader(text,boolean,timestamp with time zone)
    waiting_replies()
    write_workflow_fields(text,jsonb,timestamp with time zone)
"""  # noqa: E501

# Run by their triggers, with whatever rights the writer has.
TRIGGERS = """
    archive_deleted_lines()
    broadcast_notifications()
    check_consent_event()
    check_workspace_zone()
    forget_event_keys()
    relabel_workspace()
    count_enrollments()
    count_template_version()
    draw_edge_version()
    event_cause(uuid)
    hide_erased_address()
    keep_contact_opt_out()
    keep_delivery_status()
    note_address_opt_out()
    note_contact_opt_out()
    note_campaign_hold_change()
    note_category_change()
    note_change(text,jsonb,jsonb)
    note_changed()
    note_consent_event()
    note_created()
    note_edge_change()
    note_hold_change()
    note_mailed_opt_out()
    note_mautic_dirty_by_customer()
    note_mautic_dirty_by_id()
    note_mautic_dirty_consent()
    note_mautic_dirty_former()
    note_mautic_dirty_segment()
    note_mautic_removal()
    note_notification_category()
    note_pitch_left()
    note_preference_change()
    note_profile_opt_out()
    note_reply()
    report_event_failure(text,text)
    note_template_category()
    keep_workspace_name()
    refuse_erased_address()
    refuse_ledger_change()
    refuse_shared_inbound_domain()
    refuse_system_template_change()
    stamp_notification()
    stamp_notification_preference()
"""

# For migrations.
OWNER = """
    allow_own_notification_topic()
    remember_tables()
    secure_new_table(regclass,text)
    secure_table(regclass,text)
"""

ADDRESS_FUNCTIONS = ("punycode", "fold_letters", "normalise_unicode_address", "normalise_address")
SLOW = {
    "many code points": "".join(chr(0x4E00 + n % 20000) for n in range(4000)) + "@x",
    "a long domain": "a@" + "".join(chr(0x4E00 + n % 20000) for n in range(4000)),
    "marks in the wrong order": "é" + "\u0301" * 50_000 + "\u0323" * 50_000 + "@x",
}


def listed(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def rights(database: Database) -> dict[str, tuple[str, ...]]:
    """Function -> roles, besides its owner, that may execute it; 'public' for everybody."""
    rows = rows_of(
        database,
        """select function.oid::regprocedure::text as signature, array(
               select case when entry.grantee = 0 then 'public' else entry.grantee::regrole::text end
               from aclexplode(coalesce(function.proacl, acldefault('f', function.proowner))) as entry
               where entry.privilege_type = 'EXECUTE' and entry.grantee <> function.proowner
               order by 1
           ) as roles
           from pg_proc function
           where function.pronamespace = 'public'::regnamespace""",
    )
    return {row["signature"]: tuple(row["roles"]) for row in rows}


def test_every_function_may_be_executed_by_those_who_are_listed_and_nobody_else(database: Database) -> None:
    servers = ("crm_relay", "service_role")
    wanted: dict[str, tuple[str, ...]] = dict.fromkeys(CLIENTS, ("authenticated", *servers)) | dict.fromkeys(
        listed(SERVERS), servers
    )
    wanted |= dict.fromkeys([*listed(TRIGGERS), *listed(OWNER)], ())
    assert rights(database) == wanted


def test_a_function_made_later_is_for_the_servers_only(database: Database) -> None:
    database.run_script("create function made_later() returns integer language sql as 'select 1'")
    assert rights(database)["made_later()"] == ("crm_relay", "service_role")


def as_role(database: Database, role: str, *statements: str) -> None:
    def work(transaction: Transaction) -> None:
        transaction.run(parse("select set_config('app.user_id', :user, true)"), user=str(EVERYWHERE))
        transaction.run(parse(f"set local role {role}"))
        for statement in statements:
            transaction.run(parse(statement))

    database.transact(work)


def test_a_client_reads_every_column_of_what_it_may_read(database: Database) -> None:
    fill_every_table(database)
    readable = rows_of(
        database,
        """select relname from pg_class
           where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm')
               and has_table_privilege('authenticated', oid, 'select')""",
    )
    assert len(readable) > 20
    as_role(database, "authenticated", *(f"select * from {row['relname']}" for row in readable))


@pytest.fixture
def applications_own(empty_database_url: str) -> Iterator[Database]:
    """A database in which an application had its tables, and let everybody in, before the migrations came."""
    database = Database(empty_database_url, timeout=60)
    database.run_script(
        """do $$ begin create role anon nologin; exception when duplicate_object then null; end $$;
           do $$ begin create role authenticated nologin; exception when duplicate_object then null; end $$;
           create table prospects (
               id uuid primary key default gen_random_uuid(), name text, contact_email text, updated_at timestamptz
           );
           alter table prospects enable row level security;
           create policy sign_up on prospects for insert to anon with check (true);
           create policy own_crm on prospects for all to authenticated using (true) with check (true);
           grant all on prospects to anon, authenticated"""
    )
    migrate(database, read_migrations(ROOT / "migrations"))
    yield database
    database.close()


def test_an_applications_own_tables_stay_writable(applications_own: Database) -> None:
    added = "insert into prospects (contact_email) values ('ada@müncheN.example.com')"
    as_role(applications_own, "authenticated", added, "update prospects set contact_email = 'ada@example.com'")
    as_role(applications_own, "anon", added)
    with pytest.raises(FatalError, match="42501"):
        as_role(applications_own, "anon", "select punycode('x')")


@pytest.mark.parametrize("function", ADDRESS_FUNCTIONS)
@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_a_hostile_address_costs_next_to_nothing(database: Database, function: str, text: str) -> None:
    if function == "fold_letters":
        with pytest.raises(FatalError, match="42501"):
            as_role(database, "authenticated", "select fold_letters('x')")
        return
    one(database, f"select {function}('a@é') as warm")
    started = time.monotonic()
    one(database, f"select {function}(:text) as form", text=text)
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("text", [*SLOW.values(), " é" + "x" * 2000 + "@É ", "é" + "x" * 2000], ids=range(5))
def test_python_and_sql_agree_on_addresses_that_are_too_long(database: Database, text: str) -> None:
    assert one(database, "select normalise_address(:text) as form", text=text)["form"] == normalise(text)
