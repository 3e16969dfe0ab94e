"""Mailchimp's words: statuses of members, titles of problems, and the sentences of a batch's errors.

https://mailchimp.com/developer/marketing/docs/errors/ for titles. A sentence may quote an address, so only the phrases
below are looked for in it, and it is never shown.
"""

import re
from collections.abc import Mapping
from typing import Any

from crm_relay.providers.connectors.contract import Standing

STANDINGS: Mapping[str, Standing] = {
    "subscribed": "subscribed",
    # Waits for the confirmation of a double opt-in, and is written to once it comes.
    "pending": "subscribed",
    "unsubscribed": "unsubscribed",
    "cleaned": "undeliverable",
    "archived": "archived",
    "transactional": "none",
}
"""Status of a member -> whether Mailchimp writes to them."""

CONTACT_EXISTS = "ERROR_CONTACT_EXISTS"

COMPLIANCE = "email: Mailchimp holds the person in a compliance state, which only they can leave"
FORGOTTEN = "email: the person was deleted for good in Mailchimp, and can return only by their own will"
UNFIT_ADDRESS = "email: Mailchimp takes the address for a made-up one"
NOT_TAKEN = "email: Mailchimp does not take the address"

TITLES: Mapping[str, str] = {
    "Member In Compliance State": COMPLIANCE,
    "Forgotten Email Not Subscribed": FORGOTTEN,
    "Invalid Resource": "Mailchimp does not take the values",
    "Member Exists": "email: another member has the address",
}
"""Title of a problem about one member -> the reason that we give."""

_PHRASES = (
    ("compliance", COMPLIANCE),
    ("permanently deleted", FORGOTTEN),
    ("forgotten", FORGOTTEN),
    ("fake or invalid", UNFIT_ADDRESS),
    ("unsubscribe", COMPLIANCE),
    ("bounce", COMPLIANCE),
)
_TAG = re.compile(r"[A-Z0-9_]{1,20}")


def standing_of(status: str) -> Standing:
    """A status that we do not know is one by which nobody is written to."""
    return STANDINGS.get(status, "none")


def reason_of_sentence(sentence: str) -> str:
    """Of an error of a batch subscription."""
    found = sentence.lower()
    return next((reason for phrase, reason in _PHRASES if phrase in found), NOT_TAKEN)


def reason_of_problem(body: Any, names: Mapping[str, str]) -> str | None:
    """Of application/problem+json; None for a title that is not about one member. `names`: merge tag -> our name."""
    content = body if isinstance(body, Mapping) else {}
    title = content.get("title")
    reason = TITLES.get(title) if isinstance(title, str) else None
    fields = [each.get("field") for each in content.get("errors") or () if isinstance(each, Mapping)]
    named = [names[field] for field in fields if isinstance(field, str) and field in names]
    if "email_address" in fields:
        return NOT_TAKEN
    return f"{named[0]}: {reason}" if reason is not None and named else reason


def is_tag(text: object) -> bool:
    """Whether it may be a merge tag."""
    return isinstance(text, str) and _TAG.fullmatch(text) is not None
