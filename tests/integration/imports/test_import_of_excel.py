"""People of an Excel workbook: what its cells mean, which sheet counts, and what is no workbook at all."""

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from openpyxl import Workbook

from cli.imports.excel_file import open_excel
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from tests.integration.imports.test_import_of_people import CONTACTS, CUSTOMERS, counts_of, people, run, some
from tests.support.platform.rows import one, rows_of

Rows = Sequence[Sequence[Any]]
HEADER = ("Email", "First name", "Company")


def workbook(tmp_path: Path, *sheets: Rows, hidden: str = "", name: str = "people.xlsx") -> Path:
    book = Workbook()
    book.remove(book.worksheets[0])
    for number, rows in enumerate(sheets, start=1):
        sheet = book.create_sheet(f"Sheet {number}")
        for row in rows:
            sheet.append(list(row))
        if sheet.title == hidden:
            sheet.sheet_state = "hidden"
    file = tmp_path / name
    book.save(file)
    return file


def rewritten(file: Path, pattern: str, text: str) -> Path:
    """As a spreadsheet saves what openpyxl cannot: values of formulas, sizes that are wrong."""
    with ZipFile(file) as packed:
        parts = {each: packed.read(each) for each in packed.namelist()}
    name = "xl/worksheets/sheet1.xml"
    changed, found = re.subn(pattern, text, parts[name].decode())
    assert found
    with ZipFile(file, "w", ZIP_DEFLATED) as packed:
        for each, content in (parts | {name: changed.encode()}).items():
            packed.writestr(each, content)
    return file


def cells(file: Path, row: int = 2) -> list[str]:
    return [each.strip('"\n') for each in open_excel(file).texts[row - 1].split("\t")]


def shown(value: Any, number_format: str, tmp_path: Path) -> str:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet["A1"], sheet["A2"] = "Phone", value
    sheet["A2"].number_format = number_format
    file = tmp_path / "one.xlsx"
    book.save(file)
    return cells(file)[0]


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (4930123456, "General", "4930123456"),
        (4930123456.0, "0.00E+00", "4930123456"),
        (61491570156123456, "General", "61491570156123456"),
        (4930123456, "+0", "+4930123456"),
        (4930123456, '"+"0', "+4930123456"),
        (30123456, "0000000000", "0030123456"),
        (1067, "00000", "01067"),
        (1234, "#,##0", "1234"),
        (0.5, "0%", "0.5"),
        (date(1984, 5, 23), "dd/mm/yyyy", "1984-05-23"),
        (datetime(1984, 5, 23), "yyyy-mm-dd", "1984-05-23"),  # noqa: DTZ001 - a sheet has no zones
        (datetime(2026, 5, 1, 10, 30), "yyyy-mm-dd hh:mm", "2026-05-01T10:30:00"),  # noqa: DTZ001
        (time(9, 5), "hh:mm", "09:05:00"),
        (True, "General", "yes"),
        ("Ada\tof\nLondon", "General", "Ada of London"),
    ],
)
def test_a_cell_is_read_as_one_sees_it(value: object, number_format: str, text: str, tmp_path: Path) -> None:
    assert shown(value, number_format, tmp_path) == text


def test_people_of_a_workbook_are_imported_once(database: Database, database_url: str, tmp_path: Path) -> None:
    header = ("E-mail", "Vorname", "Date of birth", "Phone", "City", "Consent; asked, 2026", "Opt-out")
    file = workbook(
        tmp_path,
        [
            header,
            ("ADA@x.example", "Ada", date(1984, 5, 23), "+49 30 123456", "Ulm", None, False),
            (),
            ("ben@x.example", "Ben", None, 4930123456, None, None, None),
            ("cy@x.example", "Cy", None, None, None, None, True),
            ("ada@x.example", "Ada", date(1984, 5, 23), "+49 30 123456", "Ulm", None, False),
        ],
    )
    found = counts_of(database_url, CUSTOMERS, file)
    assert some(found) == {"new": 2, "bad": 1, "repeated": 1}
    assert [(each["line"], each["reason"].partition(":")[0]) for each in found["left_out"]] == [(4, "phone")]
    assert people(database, CUSTOMERS) == {"ada@x.example": "Ada/+4930123456/Ulm", "cy@x.example": "Cy//"}
    assert one(database, "select date_of_birth from customer_profiles where first_name = 'Ada'") == {
        "date_of_birth": date(1984, 5, 23)
    }
    assert [row["kind"] for row in rows_of(database, "select kind from consent_events")] == ["opt_out"]
    assert some(counts_of(database_url, CUSTOMERS, file)) == {"unchanged": 2, "bad": 1, "repeated": 1}


def test_bad_rows_are_written_as_csv_and_imported_from_there(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    file = workbook(tmp_path, [HEADER, ("ada@x.example", "#N/A", "A; B, C"), ("ben@x.example", "Ben", "")])
    found = counts_of(database_url, CONTACTS, file)
    assert (some(found), found["left_out"][0]["reason"]) == (
        {"new": 1, "bad": 1},
        "first_name: holds the error of a formula",
    )
    bad = tmp_path / "people.bad.csv"
    assert found["bad_lines_file"] == str(bad)
    bad.write_text(bad.read_text(encoding="utf-8-sig").replace("#N/A", "Ada"), encoding="utf-8")
    assert some(counts_of(database_url, CONTACTS, bad)) == {"new": 1}
    assert people(database, CONTACTS) == {"ada@x.example": "Ada/A; B, C", "ben@x.example": "Ben/"}


def test_a_formula_counts_as_the_value_that_was_saved_with_it(tmp_path: Path) -> None:
    file = workbook(tmp_path, [HEADER, ("ada@x.example", "formula", "")])
    saved = r'<c r="B2" t="str"><f>CONCATENATE("A","da")</f><v>Ada</v></c>'
    assert cells(rewritten(file, r'<c r="B2"[^>]*>.*?</c>', saved))[1] == "Ada"


@pytest.mark.parametrize("size", ["A1:A1", "A1", "A1:XFD1048576"])
def test_what_a_sheet_says_of_its_size_does_not_count(tmp_path: Path, size: str) -> None:
    file = workbook(tmp_path, [HEADER, *((f"p{n}@x.example", f"P{n}", "X") for n in range(5))])
    assert open_excel(rewritten(file, r'<dimension ref="[^"]*"', f'<dimension ref="{size}"')).lines == 6


def test_of_several_sheets_one_is_named(database_url: str, tmp_path: Path) -> None:
    first, second = [HEADER, ("ada@x.example", "Ada", "")], [HEADER, ("ben@x.example", "Ben", "")]
    file = workbook(tmp_path, first, second, [], first, hidden="Sheet 4")
    code, printed = run(database_url, CONTACTS, file)
    assert (code, "--sheet: say which; there are Sheet 1, Sheet 2" in printed) == (2, True)
    code, printed = run(database_url, CONTACTS, file, "--sheet", "Other")
    assert (code, "there is no such sheet; there are Sheet 1, Sheet 2, Sheet 3, Sheet 4" in printed) == (2, True)
    assert some(counts_of(database_url, CONTACTS, file, "--sheet", "Sheet 2")) == {"new": 1}
    alone = workbook(tmp_path, first, [], second, hidden="Sheet 3", name="ALONE.XLSX")
    assert some(counts_of(database_url, CONTACTS, alone)) == {"new": 1}
    code, printed = run(database_url, CONTACTS, workbook(tmp_path, []))
    assert (code, "no sheet with rows" in printed) == (2, True)


@pytest.mark.parametrize("damage", ["text", "password", "cut", "other archive", "no file", "directory"])
def test_what_is_no_workbook_is_refused_in_one_line(database_url: str, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "list.xlsx"
    if damage == "text":
        file.write_text("email\nada@x.example\n", encoding="utf-8")
    elif damage == "password":
        file.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 2048)
    elif damage == "cut":
        whole = workbook(tmp_path, [HEADER, ("ada@x.example", "Ada", "")]).read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
    elif damage == "other archive":
        with ZipFile(file, "w") as packed:
            packed.writestr("readme.txt", "nothing")
    elif damage == "directory":
        file.mkdir()
    code, printed = run(database_url, CONTACTS, file)
    assert (code, printed.startswith("crm-relay:"), "ada@" in printed) == (2, True, False)
    assert "no Excel workbook" in printed or "cannot be read" in printed


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = workbook(tmp_path, [HEADER])
    monkeypatch.setattr("cli.imports.excel_file._LARGEST", 1000)
    with pytest.raises(RejectedInput, match="too large"):
        open_excel(file)


def test_a_row_that_no_sheet_has_makes_up_no_rows_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.imports.excel_file._MOST_ROWS", 100)
    file = rewritten(workbook(tmp_path, [HEADER, ("ada@x.example",)]), '<row r="2"', '<row r="100000"')
    with pytest.raises(RejectedInput, match="too large"):
        open_excel(rewritten(file, '<c r="A2"', '<c r="A100000"'))


def test_cells_in_far_columns_make_up_no_more_than_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = rewritten(workbook(tmp_path, [HEADER, ("ada@x.example",)]), '<c r="A2"', '<c r="ZZZ2"')
    monkeypatch.setattr("cli.imports.excel_file._MOST_CHARACTERS", 18_000)
    with pytest.raises(RejectedInput, match="too large"):
        open_excel(file)


def test_a_sheet_is_named_for_workbooks_alone(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email\nada@x.example\n", encoding="utf-8")
    code, printed = run(database_url, CONTACTS, file, "--sheet", "One")
    assert (code, "--sheet is for Excel workbooks" in printed) == (2, True)
