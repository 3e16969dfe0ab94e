"""What a command says of a database that is not as it should be: one line with what mends it."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from cli.main import app


def said_of(tmp_path: Path, url: str) -> tuple[int, str]:
    """Exit status and the line."""
    file = tmp_path / "it.env"
    file.write_text(f"DATABASE_URL={url}\n")
    done = CliRunner().invoke(app, ["campaign", "list", "--env-file", str(file)])
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return done.exit_code, line


def test_a_database_without_the_schema_is_migrated(tmp_path: Path, empty_database_url: str) -> None:
    code, line = said_of(tmp_path, empty_database_url)
    assert code == 2
    assert "run crm-relay migrate" in line


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"password": "wrong"}, 2, "the user or the password is wrong"),
        ({"path": "/no_such_database"}, 2, "the server has no database of this name"),
        ({"port": "1"}, 1, "cannot be reached; try again"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_what_is_wrong_with_the_address_is_said_in_words(
    tmp_path: Path, database_url: str, change: dict[str, str], code: int, words: str
) -> None:
    parts = urlsplit(database_url)
    password, port = change.get("password", parts.password), change.get("port", parts.port)
    url = f"postgresql://{parts.username}:{password}@{parts.hostname}:{port}{change.get('path', parts.path)}"
    found, line = said_of(tmp_path, url)
    assert found == code
    assert words in line
    assert str(parts.password) not in line
