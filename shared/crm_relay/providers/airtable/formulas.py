"""Formulas by which rows are found: https://support.airtable.com/docs/formula-field-reference."""

import re
from collections.abc import Iterable

_ID = re.compile(r"rec[A-Za-z0-9]{1,40}")


def with_ids(row_ids: Iterable[str]) -> str | None:
    """Rows by their ids; None where none of them is one."""
    parts = [f"RECORD_ID()='{each}'" for each in row_ids if _ID.fullmatch(each)]
    return f"OR({','.join(parts)})" if parts else None


def with_addresses(field_name: str, addresses: Iterable[str]) -> str:
    """Rows whose field holds one of the addresses, which are in lower case; blanks around and capitals do not count."""
    name = re.sub(r"([\\}])", r"\\\1", field_name)
    return f"OR({','.join(f'LOWER(TRIM({{{name}}}))={_quoted(each)}' for each in addresses)})"


def _quoted(text: str) -> str:
    escaped = re.sub(r"([\\'])", r"\\\1", text)
    return "'" + escaped.replace("\n", r"\n").replace("\r", r"\r").replace("\t", r"\t") + "'"
