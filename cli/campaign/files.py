"""Reads the files that operators hand over: a campaign's definition, and the people to enroll."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from crm_relay.platform.errors import RejectedInput


def read_definition(file: Path) -> Mapping[str, Any]:
    """YAML is read with the loader that makes nothing but plain values."""
    try:
        text = file.read_text(encoding="utf-8")
        found = yaml.safe_load(text) if file.suffix in {".yaml", ".yml"} else json.loads(text)
    except OSError:
        raise RejectedInput(f"{file} cannot be read") from None
    except (ValueError, yaml.YAMLError):
        raise RejectedInput(f"{file} is neither JSON nor YAML, or not what its name ends in") from None
    if not isinstance(found, dict):
        raise RejectedInput(f"{file} has to hold one campaign")
    return found


def read_people(file: Path) -> tuple[list[UUID], list[str]]:
    """Ids and addresses. RejectedInput names lines, never what stands in them."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, strict=True)
            names = {name.strip().lower(): name for name in rows.fieldnames or ()}
            return _people(rows, names)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise RejectedInput(f"{file} cannot be read as CSV") from None


def _people(rows: Iterable[Mapping[str, str]], names: Mapping[str, str]) -> tuple[list[UUID], list[str]]:
    if "contact_id" in names:
        return list(_ids(rows, names["contact_id"])), []
    column = names.get("email") or names.get("address")
    if column is None:
        raise RejectedInput("the first line has to name contact_id or email")
    return [], [text for row in rows if (text := (row[column] or "").strip())]


def _ids(rows: Iterable[Mapping[str, str]], column: str) -> Iterator[UUID]:
    for number, row in enumerate(rows, 2):
        try:
            yield UUID((row[column] or "").strip())
        except ValueError:
            raise RejectedInput(f"line {number}: contact_id is no id") from None
