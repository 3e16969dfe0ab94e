"""What an operator reads of an error: one line and an exit status, or JSON, and never a traceback or a value."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.output import errors
from cli.output.errors import ErrorReport, print_report, report_of
from crm_relay.platform.errors import FatalError, RejectedInput, SchemaMismatch, TransientError
from crm_relay.platform.settings import SettingsWrong


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (RejectedInput("no such thing", details=["a", "b"]), 2, "no such thing"),
        (FatalError("wrong"), 2, "wrong"),
        (TransientError("the database cannot be reached"), 1, "the database cannot be reached; try again"),
        (SchemaMismatch("database error 42P01"), 2, "crm-relay migrate"),
        (SettingsWrong("settings: DATABASE_URL: is not set", ("DATABASE_URL",)), 2, "make up"),
        (SettingsWrong("settings: MAUTIC_URL: is not set", ("MAUTIC_URL",)), 2, "settings: MAUTIC_URL: is not set"),
        (FileNotFoundError(2, "No such file or directory", "/nope"), 2, "/nope: no such file or directory"),
        (UnicodeDecodeError("utf-8", b"ada", 0, 1, "bad"), 2, "a file is not UTF-8 text"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_error_has_its_words_and_its_status(error: Exception, code: int, words: str) -> None:
    report = report_of(error)
    assert report.code == code
    assert words in report.message


def test_the_file_that_was_named_is_blamed_and_not_the_missing_stack() -> None:
    error = SettingsWrong("settings: DATABASE_URL: is not set", ("DATABASE_URL",))
    assert report_of(error, has_env_file=True).message == str(error)


def test_a_defect_is_one_line_without_what_it_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "STACK_FILE", tmp_path / "stack.json")
    known: dict[str, str] = {}
    with pytest.raises(KeyError) as raised:
        _ = known["ada@example.com"]
    report = report_of(raised.value)
    log = tmp_path / "crm-relay-error.log"
    assert report.message.startswith("a defect of crm-relay: KeyError in tests/unit/cli/test_error_reports.py, line ")
    assert "ada" not in report.message
    assert "KeyError" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_errors_are_lines_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    report = ErrorReport("[not] valid", details=("steps.0: x",))
    print_report(report, as_json=False)
    print_report(report, as_json=True)
    printed = capsys.readouterr()
    assert printed.err == "crm-relay: [not] valid\n  steps.0: x\n"
    assert json.loads(printed.out) == {"error": "[not] valid", "details": ["steps.0: x"]}


@pytest.mark.parametrize("arguments", [["nonsense"], ["campaign", "list", "--nope"], ["invoke", "--event", "x"]])
def test_wrong_use_is_one_line_that_names_the_help(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.rstrip().endswith("--help")
    as_json = CliRunner().invoke(app, [*arguments, "--json"])
    assert (as_json.exit_code, as_json.stderr) == (2, "")
    assert json.loads(as_json.stdout)["error"]


def test_the_version_is_printed() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0
    assert done.stdout.startswith("crm-relay 0.1.0, schema 20")
