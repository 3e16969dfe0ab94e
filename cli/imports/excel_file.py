"""A sheet of an Excel workbook as lines of text with tabs, one for each row, as an import reads a file of CSV."""

import csv
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

from crm_relay.platform.errors import RejectedInput

SUFFIXES = frozenset({".xlsx", ".xlsm"})
_LARGEST = 2 * 1024**3
"""Bytes that a workbook may unpack to: a real one of a million rows has less."""

_MOST_ROWS = 2**20
"""As Excel has them: a number of a row that is higher would have every row before it made up."""

_MOST_CHARACTERS = 2**29
"""Of all rows: one cell in a far column makes up all those before it, in each row."""

_DAMAGED = (BadZipFile, ParseError, KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError, zlib.error)
"""What openpyxl raises for a file that is no workbook, or a damaged one."""

_PADDED = re.compile(r"\+?0{2,}")


@dataclass(frozen=True)
class ExcelFile:
    """`path`: the workbook. `texts`: its rows, in order; row and line have the same number."""

    path: Path
    encoding: str
    texts: tuple[str, ...]

    @property
    def lines(self) -> int:
        """How many there are."""
        return len(self.texts)

    def __iter__(self) -> Iterator[str]:
        """From its beginning."""
        yield from self.texts


def open_excel(path: Path, sheet: str | None = None) -> ExcelFile:
    """Read once and whole. Formulas count as the values that were saved with them.

    `sheet`: its name; None: the only one that is visible and not empty. RejectedInput for what is no workbook, is too
    large, or has several sheets to choose from.
    """
    # Only who imports a workbook pays for it.
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        _refuse_bomb(path)
        book = load_workbook(path, read_only=True, data_only=True)
        try:
            name, rows = _sheet(book, sheet)
        finally:
            book.close()
    except OSError:
        raise RejectedInput(f"{path} cannot be read") from None
    except (InvalidFileException, *_DAMAGED):
        raise RejectedInput(
            f"{path} is no Excel workbook: save it as .xlsx without a password, or as CSV in UTF-8"
        ) from None
    return ExcelFile(path, f"sheet {name}", rows)


def _refuse_bomb(path: Path) -> None:
    with ZipFile(path) as packed:
        if sum(each.file_size for each in packed.infolist()) > _LARGEST:
            raise RejectedInput(f"{path} is too large: save the sheet as CSV in UTF-8")


def _sheet(book: Any, wanted: str | None) -> tuple[str, tuple[str, ...]]:
    names = [each.title for each in book.worksheets]
    if wanted is not None:
        if wanted not in names:
            raise RejectedInput(f"--sheet: there is no such sheet; there are {', '.join(names)}")
        return wanted, _rows(book[wanted])
    visible = [each for each in book.worksheets if each.sheet_state == "visible"]
    filled = [(each.title, rows) for each in visible if (rows := _rows(each))]
    if len(filled) != 1:
        found = ", ".join(name for name, _ in filled) or "no sheet with rows"
        raise RejectedInput(f"--sheet: say which; there are {found}" if filled else f"{found} in the workbook")
    return filled[0]


def _rows(sheet: Any) -> tuple[str, ...]:
    """Without empty ones at the end. What the sheet says of its own size may be wrong."""
    sheet.reset_dimensions()
    rows: list[str] = []
    characters = 0
    for row in sheet.iter_rows():
        rows.append(_line(map(_text, row)))
        characters += len(rows[-1])
        if len(rows) > _MOST_ROWS or characters > _MOST_CHARACTERS:
            raise RejectedInput("the sheet is too large: save what is in it as CSV in UTF-8")
    while rows and not rows[-1].strip('"\t\n'):
        rows.pop()
    return tuple(rows)


def _line(cells: Iterable[str]) -> str:
    """Quoted, so that no other separator is found in the names of the columns."""
    text = io.StringIO()
    csv.writer(text, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _text(cell: Any) -> str:
    """As one would read it in the sheet: a day without a time, a number without an exponent, a row in one line."""
    value = cell.value
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return _number(value, str(cell.number_format or ""))
        case datetime():
            return value.date().isoformat() if value.time() == time() else value.isoformat()
        case date() | time():
            return value.isoformat()
        case _:
            return " ".join(str(value).split())


def _number(value: int | float, shown_as: str) -> str:
    """With the zeros and the plus that only its format shows: it may be a phone number or a postal code."""
    if isinstance(value, float) and not value.is_integer():
        return repr(value)
    digits = format(int(value), "d")
    shape = re.sub(r"[\"\\ ]", "", shown_as)
    if not _PADDED.fullmatch(shape):
        return f"+{digits}" if shape in {"+0", "+#"} else digits
    return ("+" if shape.startswith("+") else "") + digits.zfill(shape.count("0"))
