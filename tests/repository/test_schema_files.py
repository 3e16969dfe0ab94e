"""`schema/` is the schema that the migrations lead to, and leads to the same one without them."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from local.postgres import EmbeddedPostgres
from local.schema.files import FOLDER, write
from local.schema.loading import load
from local.schema.owners import Owners, read_owners
from local.schema.pages import schema_files
from tests.support.repository.dumped_schema import differences, dumped, dumped_roles, flattened
from tests.support.source_tree import ROOT

SAMPLE = (ROOT / "tests" / "support" / "repository" / "sample_schema.sql").read_text(encoding="utf-8")
ROLES = ("anon", "authenticated", "service_role", "crm_relay")

# A change of each catalogue, by the object that pg_dump shows it at, and a line that it makes or unmakes in the files.
FAULTS = {
    "ACL COLUMN accounts.name": (
        "grant update (name) on accounts to authenticated",
        "+grant update (name) on accounts to authenticated;",
    ),
    "ACL FUNCTION default_org_id()": (
        "grant execute on function default_org_id() to anon",
        "+grant execute on function default_org_id() to anon, authenticated;",
    ),
    "ACL SCHEMA public": ("grant create on schema public to crm_relay", "+grant create on schema public to crm_relay;"),
    "ACL SEQUENCE edge_versions": (
        "revoke usage on sequence edge_versions from crm_relay",
        "+grant select, update on sequence edge_versions to crm_relay;",
    ),
    "ACL TABLE contacts": ("grant update on contacts to anon", "+grant update on contacts to anon;"),
    "COMMENT COLUMN campaigns.source": (
        "comment on column campaigns.source is null",
        "-comment on column campaigns.source is 'native, bison or edge: only native campaigns enroll contacts.';",
    ),
    "COMMENT TABLE organizations": (
        "comment on table organizations is 'planted'",
        "+comment on table organizations is 'planted';",
    ),
    "CONSTRAINT prospects planted_key": (
        "alter table prospects add constraint planted_key unique (id, name)",
        "+constraint planted_key unique (id, name)",
    ),
    "DEFAULT ACL DEFAULT PRIVILEGES FOR TABLES": (
        "alter default privileges in schema public grant select on tables to anon",
        "+alter default privileges in schema public grant select on tables to anon;",
    ),
    "EVENT TRIGGER planted_watch": (
        "create event trigger planted_watch on sql_drop execute function planted_watched()",
        "+create event trigger planted_watch",
    ),
    "EXTENSION vector": ("create extension vector", "+create extension if not exists vector with schema public;"),
    "FK CONSTRAINT mailboxes planted_reference": (
        "alter table mailboxes add constraint planted_reference foreign key (id) references organizations (id)",
        "+constraint planted_reference foreign key (id) references organizations (id)",
    ),
    "FUNCTION current_org()": ("alter function current_org() volatile", "-stable"),
    "FUNCTION planted_watched()": (
        """create function planted_watched() returns event_trigger language plpgsql as $$ begin null; end $$;
        revoke all on function planted_watched() from service_role, crm_relay""",
        "+create function planted_watched()",
    ),
    "INDEX idx_campaigns_updated": (
        "drop index idx_campaigns_updated",
        "-create index idx_campaigns_updated on campaigns (updated_at, id);",
    ),
    "INDEX planted_index": (
        "create index planted_index on consent_events (kind)",
        "+create index planted_index on consent_events (kind);",
    ),
    "POLICY accounts authenticated_read": (
        "alter policy authenticated_read on accounts using (true)",
        "+create policy authenticated_read on accounts for select to authenticated using (true);",
    ),
    "PUBLICATION supabase_realtime": (
        "alter publication supabase_realtime set (publish = 'insert')",
        "+create publication supabase_realtime with (publish = 'insert');",
    ),
    "PUBLICATION TABLE supabase_realtime client_metrics": (
        "alter publication supabase_realtime drop table client_metrics",
        "-alter publication supabase_realtime add table client_metrics;",
    ),
    "ROW SECURITY emails": (
        "alter table emails disable row level security",
        "-alter table emails enable row level security;",
    ),
    "SEQUENCE consent_events_id_seq": (
        "alter table consent_events alter id set increment by 2",
        "generated always as identity (increment by 2)",
    ),
    "SEQUENCE edge_versions": (
        "alter sequence edge_versions increment by 2",
        "+create sequence edge_versions start with 2 increment by 2;",
    ),
    "TABLE accounts": ("alter table accounts add planted integer", "+planted integer"),
    "TABLE activities": ("alter table activities set (fillfactor = 10)", "+) with (fillfactor = 10);"),
    "TABLE campaigns": ("alter table campaigns alter status drop default", "+status text not null,"),
    "TABLE contacts": (
        "alter table contacts add constraint planted check (id is not null)",
        "+constraint planted check (id is not null)",
    ),
    "TABLE jobs": ("alter table jobs alter title type varchar(10)", "+title varchar(10) not null,"),
    "TABLE mailboxes": (
        "alter table mailboxes replica identity full",
        "+alter table mailboxes replica identity full;",
    ),
    "TABLE segments": (
        "alter table segments add planted integer generated always as (1) stored",
        "+planted integer generated always as (1) stored",
    ),
    "TABLE webhook_inbox": ("alter table webhook_inbox alter source drop not null", "+source text,"),
    "TRIGGER campaigns edge_deleted": (
        "alter table campaigns disable trigger edge_deleted",
        "+alter table campaigns disable trigger edge_deleted;",
    ),
    "TRIGGER notifications stamp_notification": (
        "drop trigger stamp_notification on notifications",
        "-create trigger stamp_notification",
    ),
    "VIEW customers_crm_v": (
        "alter view customers_crm_v reset (security_invoker)",
        "+create view customers_crm_v as",
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """One that no migration has been near: roles belong to the whole server."""
    with EmbeddedPostgres.start(durable=False) as server:
        yield server


@pytest.fixture(scope="module")
def loaded_url(server: EmbeddedPostgres) -> str:
    """A database made from the committed files alone."""
    server.execute("create database loaded")
    database = Database(server.url("loaded"), timeout=60)
    load(database, FOLDER, read_owners()[0])
    database.close()
    return server.url("loaded")


def test_the_files_are_what_the_migrations_lead_to(database: Database) -> None:
    database.run_script("set timezone = 'Asia/Tokyo'; set search_path = ''")
    wanted = schema_files(database, read_owners()[0])
    committed = {str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.sql")}
    changed = sorted(path for path in wanted.keys() | committed.keys() if wanted.get(path) != committed.get(path))
    assert changed == [], "run `make schema`"


def test_the_files_lead_to_the_same_schema_as_the_migrations(database_url: str, loaded_url: str) -> None:
    assert differences(dumped(database_url), dumped(loaded_url)) == {}


def test_the_files_make_the_same_roles_as_the_migrations(postgres_url: str, loaded_url: str) -> None:
    roles = dumped_roles(postgres_url, ROLES)
    assert len([line for line in roles if line.startswith("CREATE")]) == len(ROLES)
    assert dumped_roles(loaded_url, ROLES) == roles


def test_a_difference_in_any_catalogue_is_named_and_changes_the_files(database: Database, database_url: str) -> None:
    owners, _ = read_owners()
    owners = Owners({**owners.room_of, "planted_watched": "platform"}, owners.floor_of)
    dump, files = dumped(database_url), lines_of(schema_files(database, owners))
    for fault in sorted(FAULTS, key=lambda key: key.startswith("EVENT")):
        database.run_script(FAULTS[fault][0])

    found = differences(dump, dumped(database_url))
    of_extension = ("ACL FUNCTION", "COMMENT EXTENSION")
    assert {name for name in found if name in FAULTS or not name.startswith(of_extension)} == FAULTS.keys()
    assert all(found.values())
    assert found["TABLE accounts"] == ["+     planted integer"]

    after = lines_of(schema_files(database, owners))
    changed = [f"+{line}" for line in (after - files).elements()] + [f"-{line}" for line in (files - after).elements()]
    assert [line for _, line in FAULTS.values() if " ".join(line.split()) not in "\n".join(changed)] == []


def lines_of(files: dict[str, str]) -> Counter[str]:
    """How often the files have each line, whatever it is aligned to."""
    return Counter(" ".join(line.split()) for text in files.values() for line in text.splitlines())


def test_an_object_without_a_room_is_named(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    database.run_script("create table planted (id integer)")
    with pytest.raises(FatalError, match=r"^no room owns planted: list it in schema/owners\.toml$"):
        schema_files(database, read_owners()[0])
    database.close()


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("(((a) OR (b)) OR (c))", "((a) OR (b) OR (c))", True),
        ("((((a) OR (b)) OR (c)) OR (d))", "((a) OR (b) OR (c) OR (d))", True),
        ("(((a) OR (b)) AND (c))", "((a) OR (b) AND (c))", False),
        ("(((a) AND (b)) OR (c))", "((a) AND (b) OR (c))", False),
    ],
)
def test_only_alternatives_of_alternatives_are_the_same_without_brackets(one: str, other: str, is_same: bool) -> None:
    assert (flattened(one) == flattened(other)) == is_same


@pytest.fixture
def sample(server: EmbeddedPostgres, tmp_path: Path) -> Path:
    """The files of a schema with what the tree's has nothing of."""
    server.execute("create database sample")
    database = Database(server.url("sample"))
    database.run_script(SAMPLE)
    write(schema_files(database, sample_owners()), tmp_path)
    database.close()
    return tmp_path


def sample_owners() -> Owners:
    return Owners(dict.fromkeys(re.findall(r"sample_\w+", SAMPLE), "crm"), {"crm": 0})


def test_whatever_postgresql_has_comes_back_from_the_files(sample: Path, server: EmbeddedPostgres) -> None:
    server.execute("create database sample_again")
    again = Database(server.url("sample_again"))
    load(again, sample, sample_owners())
    again.close()
    assert differences(dumped(server.url("sample")), dumped(server.url("sample_again"))) == {}
