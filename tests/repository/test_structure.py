"""The shape of the tree: migrations, floors, and that the import rules know every room."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

from tests.support.source_tree import ROOT

MIGRATIONS = sorted((ROOT / "migrations").glob("*"))


def test_migrations_are_named_by_time_and_purpose_and_no_time_stands_twice() -> None:
    names = [path.name for path in MIGRATIONS]
    assert all(re.fullmatch(r"\d{14}_[a-z0-9_]+\.sql", name) for name in names), names
    assert len({name[:14] for name in names}) == len(names)


def test_the_supabase_cli_finds_the_same_migrations() -> None:
    link = ROOT / "supabase" / "migrations"
    assert link.is_symlink()
    assert link.resolve() == ROOT / "migrations"


def test_a_migration_drops_no_data() -> None:
    destructive = re.compile(r"(?im)^\s*(drop\s+(table|schema|database|column)|truncate|delete\s+from)\b")
    assert [path.name for path in MIGRATIONS if destructive.search(path.read_text())] == []


def test_an_index_is_built_concurrently_only_alone_in_its_file() -> None:
    for path in MIGRATIONS:
        code = re.sub(r"--[^\n]*", "", path.read_text())
        if re.search(r"\bconcurrently\b", code, re.IGNORECASE):
            assert len([part for part in code.split(";") if part.strip()]) == 1, path.name


def rooms(folder: str) -> set[str]:
    return {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}


def test_the_import_rules_know_every_room_and_every_function() -> None:
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    floors = set(re.findall(r"[\w.]+", rules["importlinter:contract:floors"]["layers"]))
    without_http = set(rules["importlinter:contract:capabilities-know-no-http"]["source_modules"].split())
    no_capability = {"platform", "providers", "installation"}
    capabilities = {f"crm_relay.{room}" for room in rooms("shared/crm_relay") - no_capability}

    assert floors == {f"crm_relay.{room}" for room in rooms("shared/crm_relay")} | rooms("functions") | {"cli"}
    assert set(rules["importlinter"]["root_packages"].split()) == {"crm_relay", "cli"} | rooms("functions")
    assert without_http == capabilities


def test_no_import_goes_up_a_floor() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
