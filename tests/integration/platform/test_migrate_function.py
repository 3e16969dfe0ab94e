"""The function migrate brings an empty database to the present schema."""

from pathlib import Path

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from migrate.handler import handler
from tests.support.platform.rows import one

MIGRATIONS = Path(__file__).parents[3] / "migrations"
NAMES = sorted(path.stem for path in MIGRATIONS.glob("*.sql"))


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, empty_database_url: str) -> None:
    """Configured for a database without a single table."""
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)
    monkeypatch.delenv("MIGRATIONS_FOLDER", raising=False)


def test_a_dry_run_says_what_would_be_applied_and_applies_nothing(empty_database_url: str) -> None:
    assert handler({"dry_run": True}, None) == {"applied": NAMES, "dry_run": True}
    database = Database(empty_database_url)
    assert one(database, "select to_regclass('customer_profiles') as found")["found"] is None
    database.close()


def test_everything_is_applied_once() -> None:
    assert handler({}, None) == {"applied": NAMES, "dry_run": False}
    assert handler({}, None) == {"applied": [], "dry_run": False}


def test_a_connection_of_its_own_is_used_where_one_is_given(
    monkeypatch: pytest.MonkeyPatch, empty_database_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:x@127.0.0.1:9/crm")
    monkeypatch.setenv("MIGRATION_DATABASE_URL", empty_database_url)
    assert handler({}, None)["applied"] == NAMES


def test_the_layers_folder_is_read_where_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "20990101000000_only_this.sql").write_text("create table only_this (id integer);")
    monkeypatch.setenv("MIGRATIONS_FOLDER", str(tmp_path))
    assert handler({}, None)["applied"] == ["20990101000000_only_this"]


def test_without_a_database_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    with pytest.raises(FatalError, match="DATABASE_URL: is not set"):
        handler({}, None)
