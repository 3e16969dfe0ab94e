"""Writes the lines that were not imported into a file of their own, as they were, behind number and reason."""

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from crm_relay.imports.columns import header_of, separator_of
from crm_relay.imports.models import LeftOut
from crm_relay.imports.read_people import PeopleFile
from crm_relay.platform.errors import RejectedInput

_SAME_NAME = 1000
_TEXTS = frozenset({"", ".csv", ".tsv", ".txt"})


def place_of_bad_lines(file: Path, wanted: Path | None) -> Path:
    """Beside `file` where nothing else is said, always as CSV. RejectedInput where no file can be made there."""
    suffix = file.suffix if file.suffix.lower() in _TEXTS else ".csv"
    place = wanted or file.with_name(f"{file.stem}.bad{suffix}")
    if not os.access(place.parent, os.W_OK):
        raise RejectedInput(f"no file for bad lines can be made in {place.parent}: say --bad-lines FILE")
    return place


def write_left_out(people: PeopleFile, left_out: list[LeftOut], place: Path) -> Path:
    """Where they are: `place`, or beside it, if an earlier file with other lines is there already.

    The file can be mended and imported. It has the rights of the file that was imported.
    """
    handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as target:
            _write(people, {each.line: each.reason for each in left_out}, target)
        shutil.copymode(people.text.path, name)
        found = _free(place, Path(name))
        Path(name).replace(found)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return found


def _free(place: Path, written: Path) -> Path:
    for number in range(1, _SAME_NAME):
        found = place if number == 1 else place.with_name(f"{place.stem}-{number}{place.suffix}")
        if not found.exists() or found.read_bytes() == written.read_bytes():
            return found
    raise RejectedInput(f"there are too many files like {place}: say --bad-lines FILE")


def _write(people: PeopleFile, reasons: Mapping[int, str], target: TextIO) -> None:
    starts = {line.line for line in people.lines()}
    separator, is_wanted = ",", False
    for number, text in enumerate(people.text, start=1):
        line = text if text.endswith(("\n", "\r")) else f"{text}\n"
        if number == 1:
            line = line.lstrip("\ufeff")
            separator = separator_of(line, header_of(line))
            target.write(_before("line", "reason", separator) + line)
            continue
        if number in starts:
            is_wanted = number in reasons
            target.write(_before(str(number), reasons[number], separator) if is_wanted else "")
        target.write(line if is_wanted else "")


def _before(line: str, reason: str, separator: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="").writerow((line, reason))
    return f"{text.getvalue()}{separator}"
