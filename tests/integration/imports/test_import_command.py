"""`crm-relay import`: what it prints, its exit codes, and the file of bad lines."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from crm_relay.platform.database import Database
from tests.support.platform.rows import rows_of

GOOD, FOUND, WRONG_USE = 0, 1, 2


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)


def contacts(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["import", "contacts", "list.csv", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_bad_lines_are_mended_and_imported(database: Database) -> None:
    Path("list.csv").write_text('E-Mail,Vorname,Note\nada@example.com,Ada,"two\nlines"\n"nobody, really",Bob,y\n')
    code, printed, _ = contacts()
    assert code == FOUND
    assert "(not imported)" in printed
    assert "list.bad.csv" in printed
    bad = Path("list.bad.csv").read_text(encoding="utf-8-sig")
    assert bad == 'line,reason,E-Mail,Vorname,Note\n4,email: is not one address,"nobody, really",Bob,y\n'
    Path("list.csv").write_text(bad.replace('"nobody, really"', "bob@example.com"))
    assert contacts()[0] == GOOD
    assert [row["email"] for row in rows_of(database, "select email from contacts order by email")] == [
        "ada@example.com",
        "bob@example.com",
    ]


def test_json_has_the_counts_the_columns_and_the_lines_left_out(database: Database) -> None:
    Path("list.csv").write_text("mail;firma\nada@example.com;Example\nada@example.com;Example\n;Nobody\n")
    code, printed, _ = contacts("--json", "--dry-run")
    said = json.loads(printed)
    assert code == FOUND
    assert (said["read"], said["new"], said["repeated"], said["bad"]) == (3, 1, 1, 1)
    assert said["columns"] == {"email": "mail", "company_name": "firma"}
    assert said["left_out"] == [{"line": 4, "reason": "email: is missing", "is_repeated": False}]
    assert rows_of(database, "select 1 as n from contacts") == []
    assert not Path("list.bad.csv").exists()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_file_of_another_encoding_is_read(database: Database, encoding: str) -> None:
    Path("list.csv").write_bytes("email\tfirst name\nada@example.com\tZoë\n".encode(encoding))
    assert contacts()[0] == GOOD
    assert rows_of(database, "select first_name from contacts") == [{"first_name": "Zoë"}]


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("ada@example.com,Ada\n", (), "the first line has to name the columns"),
        ("name,phone\nAda,1\n", (), "no column is an e-mail address"),
        ("", (), "the first line has to name the columns"),
        ("email\nada@example.com\n", ("--map", "nonsense=email"), "ours is one of"),
        ("email\nada@example.com\n", ("--map", "title=Rank"), "there is no such column"),
        ("email\nada@example.com\n", ("--org", "Nobody"), "there is no such organization"),
    ],
)
def test_wrong_use_is_said_in_a_line_and_imports_nothing(
    database: Database, text: str, arguments: tuple[str, ...], said: str
) -> None:
    Path("list.csv").write_text(text)
    code, _, problem = contacts(*arguments)
    assert code == WRONG_USE
    assert said in " ".join(problem.split())
    assert "ada@" not in problem
    assert rows_of(database, "select 1 as n from contacts") == []


def test_a_file_that_is_not_there_is_said() -> None:
    code, _, problem = contacts()
    assert (code, "Traceback" in problem) == (WRONG_USE, False)
    assert "list.csv" in problem


def test_a_column_is_named_by_hand(database: Database) -> None:
    Path("list.csv").write_text("email,Rank,Who\nada@example.com,Boss,Ada\n")
    assert contacts("--map", "title=Rank", "--map", "first_name=who")[0] == GOOD
    assert rows_of(database, "select title, first_name from contacts") == [{"title": "Boss", "first_name": "Ada"}]
