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
    """YAML is read with the loader that makes nothing but plain values. RejectedInput names the line that is wrong."""
    text = _text_of(file)
    try:
        found = yaml.safe_load(text) if file.suffix in {".yaml", ".yml"} else json.loads(text)
    except json.JSONDecodeError as error:
        hint = "" if file.suffix == ".json" else "; YAML has to be in a file that ends in .yaml"
        place = f"line {error.lineno}, column {error.colno}"
        raise RejectedInput(f"{file} is not JSON: {place}: {error.msg.lower()}{hint}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise RejectedInput(f"{file} is not YAML{_place_of(error)}") from None
    if not isinstance(found, dict):
        raise RejectedInput(f"{file} has to hold one campaign, as in docs/campaigns.md")
    return found


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RejectedInput(f"{file} is not there") from None
    except UnicodeDecodeError:
        raise RejectedInput(f"{file} is not UTF-8 text") from None
    except OSError as error:
        raise RejectedInput(f"{file} cannot be read: {(error.strerror or 'error').lower()}") from None


def _place_of(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return ""
    problem = getattr(error, "problem", None)
    return f": line {mark.line + 1}, column {mark.column + 1}" + (f": {problem}" if problem else "")


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
