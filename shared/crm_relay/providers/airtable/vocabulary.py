"""Airtable's words for what is wrong.

https://airtable.com/developers/web/api/errors and issues of its users; the list is not complete, so a word that is
missing here counts by the status of the answer.
"""

import re
from collections.abc import Mapping
from typing import Any

BILLING_LIMIT = "PUBLIC_API_BILLING_LIMIT_EXCEEDED"
ITERATOR_GONE = "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"
ROW_GONE = frozenset({"ROW_DOES_NOT_EXIST", "RECORD_NOT_FOUND"})
FIELD_GONE = "UNKNOWN_FIELD_NAME"
FORMULA_REFUSED = "INVALID_FILTER_BY_FORMULA"
NOT_ALLOWED = frozenset(
    {
        "INVALID_PERMISSIONS",
        "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
        "MODEL_ID_NOT_FOUND",
        "NOT_FOUND",
        "TABLE_NOT_FOUND",
    }
)
"""Permissions, and ids of bases and tables that are not there: Airtable answers both alike."""

_WORD = re.compile(r"[A-Z][A-Z0-9_]{2,79}")


def read_error(body: Any) -> tuple[str, str]:
    """Airtable's word, empty where there is none, and its sentence, which may quote values: never to be shown.

    Three forms are in use: `{"error": {"type", "message"}}`, `{"error": "NOT_FOUND"}`, and
    `{"errors": [{"error", "message"}]}` for limits (hackclub/hackatime#299).
    """
    content = body if isinstance(body, Mapping) else {}
    error, several = content.get("error"), content.get("errors")
    if isinstance(several, list) and several and isinstance(several[0], Mapping):
        error = {"type": several[0].get("error"), "message": several[0].get("message")}
    word, sentence = (error.get("type"), error.get("message")) if isinstance(error, Mapping) else (error, "")
    known = isinstance(word, str) and _WORD.fullmatch(word) is not None
    return str(word) if known else "", sentence if isinstance(sentence, str) else ""
