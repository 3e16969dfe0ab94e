"""Text as a message of Slack holds it."""

import re
from typing import Any

LONGEST_TEXT = 40_000
LONGEST_BLOCK = 3_000
MOST_BLOCKS = 50

_HALF_AN_ENTITY = re.compile(r"&[a-z]{0,3}\Z")


def escape(text: str) -> str:
    """Text in which nothing is a link, a mention or a mark-up of Slack's any more."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(escaped: str, longest: int) -> str:
    """At most `longest` characters of escaped text, with an ellipsis where some are missing."""
    if len(escaped) <= longest:
        return escaped
    return _HALF_AN_ENTITY.sub("", escaped[: longest - 1]) + "…"


def paragraph(escaped: str) -> dict[str, Any]:
    """A block of text that is escaped already, so that links can stand in it."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(escaped, LONGEST_BLOCK)}}
