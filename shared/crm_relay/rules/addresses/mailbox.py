"""The address in the text of a field such as From, To or a lead's e-mail, whatever else is written there; pure."""

import re

LONGEST_ADDRESS = 320
_LONGEST_TEXT = 2000

_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_UNSEEN = re.compile(f"[{_IGNORABLE}]")
# https://www.unicode.org/reports/tr46/: in some scripts a word is another one without them.
_JOINS_LETTERS = re.compile(r"(?<=[^\W\d_a-zA-Z])[\u200c\u200d](?=[^\W\d_a-zA-Z])")

_PLAIN = re.compile(r"[a-zA-Z0-9_+-]+(?:\.[a-zA-Z0-9_+-]+)*@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+")
"""Nearly every address, with nothing around it."""

_BRACKETED = re.compile(r"""<\s*(?:mailto:)?([^\s<>"(),:;]+@[^\s<>"'(),:;@]+)\s*>""", re.IGNORECASE)
_BARE = re.compile(r"""(?:mailto:)?([^\s<>"'(),:;\[\]]+@[^\s<>"'(),:;\[\]@]+)""", re.IGNORECASE)


def mailbox_in(text: str) -> str | None:
    """The one address in `text`, as it is written there; None where there is none, or more than one to choose from.

    Names may hold commas and at signs without the quotes that the grammar wants: brackets decide, and of several the
    last ones. https://www.rfc-editor.org/rfc/rfc5322#section-3.4

    >>> mailbox_in("Doe, Jane @ Acme <jane@example.com> via list"), mailbox_in("mailto:jane@example.com,")
    ('jane@example.com', 'jane@example.com')
    >>> mailbox_in("ada@example.com; ben@example.com") is None
    True
    """
    if len(text) > _LONGEST_TEXT:
        return None
    if len(text) <= LONGEST_ADDRESS and _PLAIN.fullmatch(text):
        return text
    seen = without_unseen(text)
    written = _BRACKETED.findall(seen)[-1:] or _BARE.findall(seen)
    found = {each.strip(".") for each in written}
    address = found.pop() if len(found) == 1 else ""
    local, _, domain = address.rpartition("@")
    return address if local and domain and len(address) <= LONGEST_ADDRESS else None


def without_unseen(text: str) -> str:
    """Without characters that have no width, but for joiners inside words of scripts that need them."""
    return _UNSEEN.sub(_kept, text)


def _kept(found: re.Match[str]) -> str:
    return found[0] if _JOINS_LETTERS.match(found.string, found.start()) else ""
