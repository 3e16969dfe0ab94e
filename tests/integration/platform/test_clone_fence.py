"""What the clone fence takes for a copy of a database, and what not."""

import secrets
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from cli.main import app
from crm_relay.platform.database import Database
from crm_relay.platform.fence.clone_fence import DatabasePlace, NotArmed, arm, ensure_armed, is_armed, place_of
from tests.support.platform.rows import one

PROJECT, OTHER = "abcdefghijklmnopqrst", "zyxwvutsrqponmlkjihg"
DIRECT, POOLER = f"db.{PROJECT}.supabase.co", "aws-0-eu-west-1.pooler.supabase.com"


# --- what is the same place -------------------------------------------------------------------------------------------

ARMED = DatabasePlace(f"supabase:{PROJECT}", "postgres", "1")
SAME = {
    "another run": ARMED,
    "a failover": ARMED,
    "a major upgrade, with a new server number": DatabasePlace(ARMED.place, ARMED.database, "2"),
    "a role that may not read the server's number": DatabasePlace(ARMED.place, ARMED.database),
    "the pooler's address": DatabasePlace(place_of(POOLER, f"crm_relay.{PROJECT}"), ARMED.database, "1"),
    "the direct address": DatabasePlace(place_of(DIRECT.upper(), "crm_relay"), ARMED.database, "1"),
}
ANOTHER = {
    "a restore of the disk into another project": DatabasePlace(f"supabase:{OTHER}", "postgres", "1"),
    "a dump restored into another project": DatabasePlace(f"supabase:{OTHER}", "postgres", "9"),
    "another project behind the same pooler": DatabasePlace(place_of(POOLER, f"crm_relay.{OTHER}"), "postgres", "1"),
    "a copy on the same server": DatabasePlace(ARMED.place, "staging", "1"),
    "a dump on a laptop": DatabasePlace("local", "postgres", "9"),
    "a copy of the disk on a laptop": DatabasePlace("local", "postgres", "1"),
}


@pytest.mark.parametrize("current", SAME.values(), ids=SAME)
def test_what_leaves_the_database_where_it_was_does_not_trip_the_fence(current: DatabasePlace) -> None:
    assert ARMED.is_same_as(current)


@pytest.mark.parametrize("current", ANOTHER.values(), ids=ANOTHER)
def test_a_copy_trips_the_fence(current: DatabasePlace) -> None:
    assert not ARMED.is_same_as(current)


def test_on_one_machine_the_servers_number_tells_two_databases_apart() -> None:
    laptop = DatabasePlace("local", "postgres", "1")
    assert laptop.is_same_as(DatabasePlace(place_of("localhost", "postgres"), "postgres", "1"))
    assert not laptop.is_same_as(DatabasePlace("local", "postgres", "2"))
    assert not DatabasePlace("local", "postgres").is_same_as(laptop)


# --- on a real server -------------------------------------------------------------------------------------------------


@pytest.fixture
def any_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name leads to this machine."""
    ask = socket.getaddrinfo

    def answer(_host: object, *more: Any, **options: Any) -> Any:
        return ask("127.0.0.1", *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def at(url: str, host: str, user: str | None = None) -> str:
    """The same database by another address."""
    parts = urlsplit(url)
    login = f"{user or parts.username}:{parts.password}"
    return parts._replace(netloc=f"{login}@{host}:{parts.port}", query="sslmode=disable").geturl()


@pytest.fixture
def pooler_users(postgres_url: str) -> Iterator[None]:
    """Supabase's pooler takes the project from the user's name."""
    server, password = Database(postgres_url), urlsplit(postgres_url).password
    for project in (PROJECT, OTHER):
        server.run_script(f"create role \"crm_relay.{project}\" superuser login password '{password}'")
    yield
    for project in (PROJECT, OTHER):
        server.run_script(f'drop role "crm_relay.{project}"')
    server.close()


@pytest.mark.usefixtures("any_host", "pooler_users")
def test_one_project_is_the_same_by_each_of_its_addresses_and_another_is_not(database_url: str) -> None:
    ensure_armed(Database(at(database_url, DIRECT)))
    assert is_armed(Database(at(database_url, POOLER, f"crm_relay.{PROJECT}")))
    assert is_armed(Database(at(database_url, POOLER.replace("aws-0", "aws-1"), f"crm_relay.{PROJECT}")))
    for elsewhere in (at(database_url, POOLER, f"crm_relay.{OTHER}"), at(database_url, f"db.{OTHER}.supabase.co")):
        with pytest.raises(NotArmed):
            ensure_armed(Database(elsewhere))


def test_the_functions_own_role_may_read_what_is_compared(database: Database, database_url: str) -> None:
    password = urlsplit(database_url).password
    name = f"worker_{secrets.token_hex(4)}"
    database.run_script(f"create role {name} login inherit password '{password}'; grant crm_relay to {name}")
    worker = Database(database_url.replace("//postgres:", f"//{name}:"))
    try:
        assert is_armed(worker)
        server = one(database, "select system_identifier::text as number from pg_control_system()")
        assert arm(worker).system == server["number"]
    finally:
        worker.close()
        database.run_script(f"drop role {name}")


@pytest.fixture
def copied(database: Database, database_url: str, postgres_url: str) -> Iterator[Database]:
    """A copy of an armed database on the same server."""
    ensure_armed(database)
    database.close()
    name = f"copy_{secrets.token_hex(6)}"
    server = Database(postgres_url)
    server.run_script(f"create database {name} template {urlsplit(database_url).path.lstrip('/')}")
    copy = Database(urlsplit(database_url)._replace(path=f"/{name}").geturl())
    yield copy
    copy.close()
    server.run_script(f"drop database {name} with (force)")
    server.close()


def test_a_copy_is_refused_until_it_is_armed_and_the_original_goes_on(database: Database, copied: Database) -> None:
    with pytest.raises(NotArmed, match="crm-relay arm"):
        ensure_armed(copied)
    arm(copied)
    ensure_armed(copied)
    ensure_armed(database)


@pytest.mark.usefixtures("any_host")
def test_an_address_that_is_armed_too_does_not_disarm_the_others(database_url: str) -> None:
    first, second = Database(at(database_url, "db.example.com")), Database(at(database_url, "pooler.example.com"))
    ensure_armed(first)
    assert not is_armed(second)
    arm(second)
    arm(second)
    assert is_armed(first)
    assert is_armed(second)


def test_the_command_arms_and_says_whether_it_has_to(
    database: Database, database_url: str, copied: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = one(copied, "select current_database()::text as name")["name"]
    monkeypatch.setenv("DATABASE_URL", urlsplit(database_url)._replace(path=f"/{name}").geturl())
    commands = (["arm", "--dry-run"], ["arm"], ["arm", "--dry-run"])
    assert [CliRunner().invoke(app, words).exit_code for words in commands] == [1, 0, 0]
    ensure_armed(copied)
    ensure_armed(database)
