"""What a merge field of each type takes: https://mailchimp.com/developer/marketing/docs/merge-fields/ [E]."""

from __future__ import annotations

import re
from typing import Any

from local.simulators.mailchimp.state import SimulatedAudience
from local.simulators.mailchimp.wire import invalid

_FORMS = {
    "birthday": re.compile(r"\d{2}/\d{2}"),
    "date": re.compile(r"\d{4}-\d{2}-\d{2}"),
    "zip": re.compile(r"\d{5}"),
    "url": re.compile(r"https?://\S+\.\S+"),
    "imageurl": re.compile(r"https?://\S+\.\S+"),
}


def taken(audience: SimulatedAudience, tag: str, value: Any) -> Any:
    """What is kept of a value. A tag that the audience does not have is passed over (assumed)."""
    found = audience.field(tag)
    if found is None or value in ("", None):
        return ""
    if found.type == "number":
        if isinstance(value, bool) or not re.fullmatch(r"-?\d+(\.\d+)?", str(value)):
            raise invalid(tag, "This value should be numeric.")
        return value if isinstance(value, int | float) else float(value)
    text = str(value)
    form = _FORMS.get(found.type)
    if form is not None and not form.fullmatch(text):
        raise invalid(tag, f"Please enter a valid {found.type}")
    if found.type in {"radio", "dropdown"} and text not in found.options.get("choices", []):
        raise invalid(tag, "Value must be one of the choices")
    if found.type == "phone" and found.options.get("phone_format") == "US":
        if not re.fullmatch(r"\(\d{3}\) \d{3}-\d{4}", text):
            raise invalid(tag, "Please enter a valid phone number")
        return text
    # Cut without a word.
    return text.encode()[:255].decode(errors="ignore")
