"""The floors of the house hold for SQL: no query, function, view, policy, trigger or foreign key reaches up."""

import configparser
import re
from collections import Counter

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query
from local.schema.owners import Owners, read_owners
from tests.support.platform.rows import rows_of
from tests.support.repository.sql_floors import (
    objects_of,
    uses_by_queries,
    uses_by_query,
    uses_in_schema,
    violations,
)
from tests.support.repository.sql_references import references
from tests.support.source_tree import ROOT

_REPLICATED = "the edge document replicates campaigns, which another room of the same floor runs"

# What reaches up a floor or across to a neighbour, each with its reason; the list only shrinks.
EXCEPTIONS = {
    "function email_organization -> campaigns": _REPLICATED,
    "query edge_cache.write_campaigns -> campaigns": _REPLICATED,
    "trigger campaigns.edge_deleted -> campaigns": _REPLICATED,
    "trigger campaigns.edge_inserted -> campaigns": _REPLICATED,
    "trigger campaigns.edge_truncated -> campaigns": _REPLICATED,
    "trigger campaigns.edge_updated -> campaigns": _REPLICATED,
    "trigger campaigns.edge_version -> campaigns": _REPLICATED,
    "view edge_source -> campaigns": _REPLICATED,
}

# How many functions each room has in SQL; a rule that moves to Python lowers its room's number.
FUNCTIONS = {
    "campaigns": 10,
    "connections": 3,
    "consent": 20,
    "crm": 18,
    "customers": 6,
    "edge_cache": 7,
    "former": 34,
    "integrity": 1,
    "mail": 9,
    "notifications": 20,
    "operations": 1,
    "outreach": 20,
    "platform": 7,
    "webhooks": 1,
    "workflows": 12,
}


def test_every_table_view_and_function_has_one_owner(database: Database) -> None:
    listed = {kind: names for kind, names in read_owners()[1].items() if kind not in {"indexes", "sequences"}}
    assert objects_of(database) == listed


def test_the_floors_are_those_of_the_import_rules() -> None:
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    layers = rules["importlinter:contract:floors"]["layers"].strip().splitlines()
    importing = {room: -floor for floor, layer in enumerate(layers) for room in re.findall(r"crm_relay\.(\w+)", layer)}
    owners, _ = read_owners()
    both = importing.keys() & owners.floor_of.keys()
    assert owners.floor_of.keys() - both == {"crm", "former"}
    for one in both:
        for other in both:
            assert (importing[one] < importing[other]) == (owners.floor_of[one] < owners.floor_of[other]), (one, other)


def test_no_sql_reaches_up_a_floor_or_across_to_a_neighbour(database: Database) -> None:
    owners, _ = read_owners()
    found = violations(uses_in_schema(database, owners) | set(uses_by_queries(owners)), owners)
    assert sorted(found - EXCEPTIONS.keys()) == []
    assert sorted(EXCEPTIONS.keys() - found) == [], "an exception that is no longer needed"


def test_the_functions_become_fewer() -> None:
    owners, names = read_owners()
    assert Counter(owners.room_of[name] for name in names["functions"]) == FUNCTIONS


# What callers of the database are promised, and what migrations call.
ENTRIES = {
    "aggregate_provider_stats",
    "allow_own_notification_topic",
    "archive_notifications",
    "archive_read_notifications",
    "check_provider_reply_rate_drop",
    "increment_metric",
    "integration_status",
    "is_integration_enabled",
    "mark_all_notifications_read",
    "mark_notifications_read",
    "mark_notifications_unread",
    "remember_tables",
    "secure_new_table",
}


def test_what_nothing_uses_any_more_is_kept_for_the_former_version_alone(database: Database) -> None:
    owners, names = read_owners()
    uses = uses_in_schema(database, owners) | set(uses_by_queries(owners))
    reached = {use.thing for use in uses if use.room != "former" and use.user.removeprefix("function ") != use.thing}
    unused = {name for name in names["functions"] - reached - ENTRIES if owners.room_of[name] != "former"}
    assert unused == triggers_of(database) & unused, "move it to [former] in schema/owners.toml"


def triggers_of(database: Database) -> set[str]:
    rows = rows_of(database, "select distinct tgfoid::regproc::text as name from pg_trigger where not tgisinternal")
    return {row["name"] for row in rows}


def test_each_function_has_its_line_in_the_documentation() -> None:
    owners, names = read_owners()
    text = (ROOT / "docs" / "sql-functions.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text.partition("## Rules that were known twice")[0], flags=re.MULTILINE)[1:]
    listed = {
        name: {"Kept for one release": "former"}.get(head, head)
        for head, _, body in (section.partition("\n") for section in sections)
        for name in re.findall(r"^\| `(\w+)` \| \S+.*\|$", body, re.MULTILINE)
    }
    assert listed == {name: owners.room_of[name] for name in names["functions"]}
    files = set(re.findall(r"`(\w[\w/]+\.(?:py|sql))`", text))
    assert [each for each in files if not (ROOT / "shared" / "crm_relay" / each).is_file()] == []
    present, former = len(listed) - FUNCTIONS["former"], FUNCTIONS["former"]
    assert f"{former} are called by the version before this one alone" in text
    assert f"{present} functions are left" in " ".join(text.split())


PLANTED = {
    "view planted -> campaigns": "create view planted as select id from campaigns",
    "view planted -> stop_for_address": "create view planted as select stop_for_address(null, '', '', '', '', now())",
    "function planted -> campaigns": """create function planted() returns void language plpgsql as
        $$ begin perform 1 from consent_events, campaigns; end $$""",
    "function planted -> campaign_enrollments": """create function planted() returns void language plpgsql as
        $$ begin execute 'delete from public.campaign_enrollments where id = $1'; end $$""",
    "function planted -> campaign_sequences": """create function planted() returns void language sql
        begin atomic update campaign_sequences set is_active = false; end""",
    "function planted -> email_sends": """create function planted(mail email_sends) returns void language sql
        as $$ select $$""",
    "policy consent_events.planted -> campaigns": """create policy planted on consent_events
        using (exists (select from campaigns))""",
    "constraint consent_events.planted -> campaigns": """alter table consent_events add campaign_id uuid
        constraint planted references campaigns (id)""",
    "constraint consent_events.planted -> metric_column": """alter table consent_events
        add constraint planted check (metric_column(kind) is null)""",
    "trigger campaigns.planted -> campaigns": """create trigger planted before delete on campaigns
        for each row execute function refuse_ledger_change()""",
    "index planted -> edge_bucket": "create index planted on contacts (edge_bucket(id))",
}


@pytest.mark.parametrize("use", PLANTED)
def test_a_reach_of_the_schema_that_goes_up_would_be_noticed(database: Database, use: str) -> None:
    owners, _ = read_owners()
    owners = Owners({**owners.room_of, "planted": "consent"} if "index" not in use else owners.room_of, owners.floor_of)
    database.run_script(PLANTED[use])
    found = violations(uses_in_schema(database, owners), owners)
    assert found - EXCEPTIONS.keys() == {use}


@pytest.mark.parametrize(
    ("folder", "thing", "noticed"),
    [
        ("consent", "campaigns", True),
        ("mail/sending", "campaigns", True),
        ("outreach", "campaigns", True),
        ("campaigns/engine", "campaigns", False),
        ("operations/overview", "campaigns", False),
        ("mail/sending", "consent_events", False),
        ("consent", "email_sends", True),
        ("campaigns", "email_sends", False),
    ],
)
def test_a_query_that_reaches_up_or_across_would_be_noticed(folder: str, thing: str, noticed: bool) -> None:
    owners, _ = read_owners()
    query = Query.parse("planted", "reads a table", f"select 1 from contacts left join {thing} on true where id = :id")
    found = violations(set(uses_by_query(folder, query, owners)), owners)
    assert found == ({f"query {folder}.planted -> {thing}"} if noticed else set())


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 from jobs",
        "select 1 from public.jobs as job",
        'select 1 from "jobs"',
        "select 1 from x, jobs where true",
        "select 1 from x cross join lateral (select 1 from y, jobs) z",
        "select 1 from (x join y on true), jobs",
        "select 1 from (jobs join y on true)",
        "select 1 from f(a, b) as g, jobs",
        "select (select max(a) from x, jobs)",
        "update jobs set x = 1",
        "update x set y = jobs.z from jobs where true",
        "delete from x using jobs where true",
        "insert into jobs (id) values (1)",
        "with changed as (update only jobs set x = 1 returning id) select from changed",
        "merge into x using jobs on true when matched then delete",
        "truncate jobs",
        "lock table jobs in share mode",
        "select jsonb_populate_record(null::jobs, x)",
        "declare job jobs%rowtype; begin end",
        "begin execute format('select 1 from jobs where %I = 1', x); end",
        "do $$ begin perform 1 from jobs; end $$",
        "select jobs(1)",
        "select public.jobs(1)",
    ],
)
def test_a_use_is_found_wherever_it_may_be(sql: str) -> None:
    assert references(sql, {"jobs", "other"}) == {"jobs"}


@pytest.mark.parametrize(
    "sql",
    [
        "select jobs from x",
        "select x.jobs, y as jobs from x order by jobs",
        "select 1 from x group by y, jobs",
        "with jobs as (select 1) select 1 from jobs",
        "with x as (select 1), jobs as materialized (select 2) select 1 from x, jobs",
        "select 1 from x as jobs for update of jobs",
        "insert into x (jobs) values (1) on conflict (jobs) do update set jobs = 1",
        "select 'from jobs' -- from jobs",
        "select extract(epoch from x), jobs from y",
        "select x is distinct from y, jobs from z",
        "select other_schema.jobs(1)",
        "update x set jobs = 1, y = 2",
    ],
)
def test_a_column_an_alias_and_a_text_are_no_use(sql: str) -> None:
    assert references(sql, {"jobs"}) == set()
