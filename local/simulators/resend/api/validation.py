"""What Resend holds against a mail, with its words where they are known; the rest is assumed."""

from __future__ import annotations

import re
from typing import Any

from local.simulators.resend.state import bare
from local.simulators.resend.wire import Json, ResendApiError

_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;.]+(\.[^\s@<>,;.]+)+")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_MOST_RECIPIENTS = 50


def problem(mail: Any, *, in_batch: bool) -> ResendApiError | None:
    """The first thing that is wrong."""
    if not isinstance(mail, dict):
        return _invalid("The `email` field must be an `object`.")
    checks = (_missing(mail), _addresses(mail), _content(mail), _tags(mail), _batch(mail) if in_batch else None)
    return next((each for each in checks if each is not None), None)


def recipients(mail: Json, name: str = "to") -> list[str]:
    """One address or a list of them [D]."""
    value = mail.get(name)
    return [value] if isinstance(value, str) else list(value or [])


def is_address(text: Any) -> bool:
    return isinstance(text, str) and _ADDRESS.fullmatch(bare(text)) is not None


def _invalid(message: str) -> ResendApiError:
    return ResendApiError(422, "validation_error", message)


def _missing(mail: Json) -> ResendApiError | None:
    wanted = ["from", "to"] if "template" in mail else ["from", "to", "subject"]
    missing = next((name for name in wanted if not mail.get(name)), None)
    # [D] The words are those of the example of a permissive answer.
    return (
        None if missing is None else ResendApiError(422, "missing_required_field", f"The `{missing}` field is missing.")
    )


def _addresses(mail: Json) -> ResendApiError | None:
    for name in ("from", "to", "cc", "bcc", "reply_to"):
        found = recipients(mail, name)
        if not all(is_address(each) for each in found):
            form = "The email address needs to follow the `email@example.com` or `Name <email@example.com>` format."
            return _invalid(f"Invalid `{name}` field. {form}")
    if len(recipients(mail)) > _MOST_RECIPIENTS:
        return _invalid(f"The `to` field must have at most {_MOST_RECIPIENTS} items.")
    return None


def _content(mail: Json) -> ResendApiError | None:
    given = {"html", "text", "template"} & mail.keys()
    if not given:
        return ResendApiError(422, "missing_required_field", "Missing `html` or `text` field.")
    if "template" in given and len(given) > 1:
        return _invalid("The `template` field cannot be used with `html` or `text`.")
    headers = mail.get("headers", {})
    return None if isinstance(headers, dict) else _invalid("The `headers` field must be an `object`.")


def _tags(mail: Json) -> ResendApiError | None:
    tags = mail.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
        return _invalid("The `tags` field must be an `array`.")
    texts = (tag.get(part) for tag in tags for part in ("name", "value"))
    if all(isinstance(text, str) and _TAG.fullmatch(text) for text in texts):
        return None
    return _invalid("Tags should only contain ASCII letters, numbers, underscores, or dashes.")


def _batch(mail: Json) -> ResendApiError | None:
    # [D] "The `attachments` field is not supported yet."
    return _invalid("The `attachments` field is not supported in batches.") if "attachments" in mail else None
