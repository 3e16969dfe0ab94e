"""A suppression list as other tools and editors leave it: no line is lost, and no half of a file is imported."""

import io
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from crm_relay.consent.import_export import BadLine, Imported, _event, import_ledger
from crm_relay.consent.read_list import GoodLine, read_list
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from tests.support.platform.rows import add_customer, one, rows_of

HEADER = "address,kind,occurred_at,evidence\n"
WHEN = "2026-05-01T10:00:00+00:00"
NEEDED = {"address", "kind", "occurred_at"}


def list_of(database: Database, text: str) -> tuple[Imported, list[BadLine]]:
    bad: list[BadLine] = []
    return import_ledger(database, io.StringIO(text, newline=""), bad.append), bad


def muted(database: Database) -> list[str]:
    return [row["address"] for row in rows_of(database, "select distinct address from consent_events order by address")]


def run(database_url: str, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["consent", *arguments], env={"DATABASE_URL": database_url, "COLUMNS": "250"})
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("line", "person"),
    [
        ("\u200bada@import.example", "ada"),
        ('"Ben <ben@import.example>"', "ben"),
        ("mailto:cyd@import.example", "cyd"),
        ('"dan@import.example,"', "dan"),
        ("gus@import.example\u200b", "gus"),
        ("\ufeffhal@import.example", "hal"),
        ("'ida@import.example", "ida"),
        ("jo@import.example.", "jo"),
        ("kim@import.example\u00a0", "kim"),
        ("liz@IMPORT.example;", "liz"),
    ],
)
def test_a_line_mutes_the_person_whom_it_plainly_means(database: Database, line: str, person: str) -> None:
    customer = add_customer(database, f"{person}@import.example")

    imported, bad = list_of(database, f"address,kind,occurred_at\n{line},opt_out,{WHEN}\n")

    assert (imported, bad) == (Imported(new=1, known=0), [])
    row = one(database, "select dnc_reason from mautic_sync_source where customer_id = :id", id=customer)
    assert row["dnc_reason"] == 1


@pytest.mark.parametrize(
    "line", ["eve@a.example;fay@b.example", "eve@a.example fay@b.example", "<eve@a.example", "eve"]
)
def test_a_line_that_names_nobody_is_reported(database: Database, line: str) -> None:
    imported, bad = list_of(database, f"address,kind,occurred_at\n{line},opt_out,{WHEN}\n")

    assert (imported, [each.line for each in bad], muted(database)) == (Imported(0, 0), [2], [])


def test_what_is_dated_ahead_or_beyond_the_calendar_is_a_bad_line_whatever_its_kind(database: Database) -> None:
    soon = one(database, "select clock_timestamp() + interval '4 minutes' as at")["at"]
    text = HEADER + "".join(
        f"{name}@x.example,{kind},{at},form\n"
        for name, kind, at in [
            ("a", "consent", "2062-01-01T00:00:00+00:00"),
            ("b", "opt_out", "2062-01-01T00:00:00+00:00"),
            ("c", "opt_out", "9999-12-31T23:59:59-12:00"),
            ("d", "opt_out", "0001-01-01T00:00:00+12:00"),
            ("e", "opt_out", WHEN),
            ("f", "consent", soon.isoformat()),
        ]
    )

    imported, bad = list_of(database, text)

    assert imported == Imported(new=2, known=0)
    assert [(each.line, each.reason.split(":")[0]) for each in bad] == [(n, "occurred_at") for n in (2, 3, 4, 5)]
    assert muted(database) == ["e@x.example", "f@x.example"]


def test_a_quote_that_is_not_closed_costs_its_own_line_and_no_other(database: Database) -> None:
    lines = [f"n{number}@x.example,opt_out,{WHEN},\n" for number in range(2, 302)]
    lines[9] = '"' + lines[9]

    imported, bad = list_of(database, HEADER + "".join(lines))

    assert [each.line for each in bad] == [11]
    assert imported.new + imported.known + len(bad) == 300
    assert len(muted(database)) == 299


def test_a_quote_that_a_later_line_happens_to_close_swallows_nobody(database: Database) -> None:
    text = HEADER + f'a@x.example,opt_out,{WHEN},"note\nb@x.example,opt_out,{WHEN},\nc@x.example,opt_out,{WHEN},note"\n'

    imported, bad = list_of(database, text)

    assert [(each.line, each.reason) for each in bad] == [(2, "holds a quote that is not closed")]
    assert (imported.new, muted(database)) == (2, ["b@x.example", "c@x.example"])


def test_evidence_of_several_lines_is_one_record(database: Database) -> None:
    text = HEADER + f'a@x.example,consent,{WHEN},"said ""yes"",\nthen\n\nsigned"\nb@x.example,opt_out,{WHEN},\n'

    imported, bad = list_of(database, text)

    assert (imported, bad) == (Imported(new=2, known=0), [])
    assert one(database, "select evidence from consent_events where kind = 'consent'")["evidence"].endswith("\nsigned")


_DAMAGE = st.sampled_from(['"', '""', '"\n', ",", ";", "\n", "\r", "\0", "\t", "\ufeff", ""])


@given(
    number=st.integers(1, 40),
    damages=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 60), _DAMAGE), max_size=5),
    ends=st.sampled_from(["\n", "\r\n", "\r"]),
    delimiter=st.sampled_from(",;\t"),
)
def test_damage_costs_only_the_lines_that_are_damaged(
    number: int, damages: list[tuple[int, int, str]], ends: str, delimiter: str
) -> None:
    lines = [
        f"n{each}@x.example,opt_out,{WHEN}," + ('"fine, and\tgood; so"' if each % 5 == 0 else "")
        for each in range(number)
    ]
    lines = [delimiter.join(line.split(",", 3)) for line in lines]
    damaged = {place for place, _, _ in damages}
    for place, at, damage in damages:
        if place < number:
            lines[place] = lines[place][:at] + damage + lines[place][at:]
    text = HEADER.replace(",", delimiter) + "".join(line + ends for line in lines)

    read = list(read_list(list(io.StringIO(text, newline="")), NEEDED, _event))

    good = [line.value.address for line in read if isinstance(line, GoodLine)]
    assert {f"n{each}@x.example" for each in range(number) if each not in damaged} <= set(good)
    # Each physical line is a record of its own, a bad line, empty, or inside the quotes of one record.
    begun = [line.line for line in read]
    assert begun == sorted(set(begun))


@given(st.text(st.sampled_from('a@x.,;\t"\n\r \0ü<>'), max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    for line in read_list(list(io.StringIO(HEADER + text, newline="")), NEEDED, _event):
        assert isinstance(line, BadLine | GoodLine)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_semicolons_tabs_byte_order_marks_and_every_end_of_line_are_read(
    database: Database, delimiter: str, ends: str, mark: str
) -> None:
    rows = [["Address", "Kind", "Occurred_At"], ["a@x.example", "opt_out", WHEN], ["b@x.example", "complaint", WHEN]]

    imported, bad = list_of(database, mark + "".join(delimiter.join(row) + ends for row in rows))

    assert (imported, bad, muted(database)) == (Imported(new=2, known=0), [], ["a@x.example", "b@x.example"])


def test_a_cell_too_many_is_reported_since_the_others_may_have_moved(database: Database) -> None:
    imported, bad = list_of(
        database, HEADER + f"a@x.example,opt_out,{WHEN},said yes, twice\nb@x.example,opt_out,{WHEN},,,\n"
    )

    assert [(each.line, each.reason) for each in bad] == [(2, "has more cells than there are columns")]
    assert (imported.new, muted(database)) == (1, ["b@x.example"])


def test_a_list_for_an_organization_that_is_not_there_mutes_nobody_and_says_so(database: Database) -> None:
    text = f"address,kind,occurred_at,org_id\na@x.example,opt_out,{WHEN},00000000-0000-4000-8000-00000000dead\n"

    imported, bad = list_of(database, text)

    assert (imported.new, bad) == (0, [BadLine(2, "org_id: there is no such organization")])


def test_a_hundred_thousand_lines_are_read_and_counted() -> None:
    lines = [HEADER, *(f"n{number}@x.example,opt_out,{WHEN},\n" for number in range(100_000))]
    lines[50_000] = lines[50_000].replace("@", '"@')
    lines[70_000] = '"' + lines[70_000]

    read = list(read_list(lines, NEEDED, _event))

    assert [line.line for line in read if isinstance(line, BadLine)] == [70_001]
    assert len(read) == 100_000


def unreadable_files() -> list[bytes]:
    good = HEADER + "".join(f"n{number}@x.example,opt_out,{WHEN},\n" for number in range(2000))
    last = f"zoe@x.example,opt_out,{WHEN},Grüße per Post\n"
    return [(good + last).encode("windows-1252"), (good + last).encode("utf-16"), (good + last).encode("utf-16-le")]


@pytest.mark.parametrize("content", unreadable_files(), ids=["windows-1252", "utf-16", "utf-16-le"])
def test_a_file_that_is_not_utf_8_is_refused_as_a_whole_in_one_line(
    database: Database, database_url: str, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(content)

    code, output = run(database_url, "import", str(file))

    assert (code, len(output.strip().splitlines())) == (2, 1), output
    assert muted(database) == []


def test_a_stream_that_ends_in_other_bytes_is_refused_before_anything_is_written(database: Database) -> None:
    stream = io.TextIOWrapper(io.BytesIO(unreadable_files()[0]), encoding="utf-8", newline="")

    with pytest.raises(RejectedInput, match="not UTF-8"):
        import_ledger(database, stream, lambda _bad: None)

    assert muted(database) == []


def test_the_command_reports_bad_lines_by_number_with_exit_status_1(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f'{HEADER}a@x.example,opt_out,{WHEN},\n"b@x.example,opt_out,{WHEN},\nc@x.example,opt_out,{WHEN},\n')

    code, output = run(database_url, "import", str(file), "--json")

    assert code == 1
    assert '"new": 2' in output
    assert '"line": 3' in output
    assert muted(database) == ["a@x.example", "c@x.example"]


def test_a_file_that_is_not_there_is_one_line_and_exit_status_2(database_url: str, tmp_path: Path) -> None:
    for arguments in (("import", str(tmp_path / "none.csv")), ("export", str(tmp_path / "none" / "ledger.csv"))):
        code, output = run(database_url, *arguments)
        assert (code, len(output.strip().splitlines())) == (2, 1), output


def test_the_operator_names_the_organization_of_a_grant_and_of_a_list(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    other = one(database, "insert into organizations (name) values ('Other') returning id")["id"]
    file = tmp_path / "list.csv"
    file.write_text(f"{HEADER}a@x.example,opt_out,{WHEN},\n")
    state = "select suppressed_by from suppression(:org, 'email', 'a@x.example')"

    assert run(database_url, "import", str(file), "--org", "Other")[0] == 0
    assert one(database, state, org=other)["suppressed_by"] == "opt_out"
    assert rows_of(database, "select from consent_events where org_id = default_org_id()") == []

    assert run(database_url, "grant", "a@x.example", "--evidence", "form 7")[0] == 0
    assert one(database, state, org=other)["suppressed_by"] == "opt_out"
    assert run(database_url, "grant", "a@x.example", "--evidence", "form 7", "--org", str(other))[0] == 0
    assert one(database, state, org=other)["suppressed_by"] is None
    code, output = run(database_url, "grant", "a@x.example", "--evidence", "form 7", "--org", "Nobody")
    assert (code, "--org" in output) == (2, True)


def test_an_old_line_of_a_year_that_python_cannot_hold_breaks_no_reader(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    database.run_script(
        """alter table consent_events drop constraint consent_events_readable_time;
           alter table consent_events disable trigger check_consent_event;
           insert into consent_events (channel, address, kind, source, occurred_at) values
               ('email', 'a@x.example', 'opt_out', 'import', '9999-12-31T23:59:59-12:00'),
               ('email', 'a@x.example', 'opt_out', 'import', '0044-03-15 00:00:00+00 BC'),
               ('email', 'a@x.example', 'opt_out', 'import', 'infinity')"""
    )
    file = tmp_path / "ledger.csv"
    assert run(database_url, "export", str(file))[0] == 0
    moments = [datetime.fromisoformat(line.split(",")[6]) for line in file.read_text().splitlines()[1:]]
    assert [moment.year for moment in moments] == [9999, 1, 9999]

    done = CliRunner().invoke(app, ["why", "a@x.example"], env={"DATABASE_URL": database_url, "COLUMNS": "250"})
    assert (done.exit_code, "9999-12-31" in done.output) == (0, True)


def test_an_export_that_fails_leaves_the_file_that_was_there(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "ledger.csv"
    file.write_text("yesterday's")
    file.chmod(0o640)
    database.run_script("alter table consent_events rename to consent_events_away")

    code, _ = run(database_url, "export", str(file))

    assert code == 2
    assert [each.read_text() for each in tmp_path.iterdir()] == ["yesterday's"]
    database.run_script("alter table consent_events_away rename to consent_events")
    assert run(database_url, "export", str(file))[0] == 0
    assert [each.read_text()[:7] for each in tmp_path.iterdir()] == ["channel"]
    assert file.stat().st_mode & 0o777 == 0o640
