"""What an address looks like, whatever is written around it and inside it unseen; pure.

Every source reads addresses by these rules. The SQL function normalise_unicode_address has them a second time for
indexes and joins, and a test compares the two.
"""

import re

LONGEST_ADDRESS = 320
_LONGEST_TEXT = 2000

# Default_Ignorable_Code_Point but for the joiners U+200C and U+200D, as ranges of a regular expression.
# https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt and https://www.unicode.org/reports/tr46/
UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Arabic, Syriac, Indic and Mongolian letters and their kin, of which some words are others without a joiner.
# https://www.rfc-editor.org/rfc/rfc5892#appendix-A.1
JOINED = "\u0600-\u10ff\u1200-\u167f\u1700-\u1cff\ua800-\uabff\U00010a00-\U00011fff"
_UNSEEN = re.compile(f"[{UNSEEN}]+")
_LOOSE_JOINER = re.compile(f"(?<![{JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{JOINED}])")

_BLANK = "\x01-\x20\x7f-\x9f\u1680\u2028\u2029"
_BEFORE = re.compile(f"^(?:mailto:|[{_BLANK},;'\"])+", re.IGNORECASE)
_BEHIND = re.compile(f"[{_BLANK},;'\".。]+$")
_IN_ANGLES = re.compile("^[^<>]*<([^<>]*)>$")
_NO_ADDRESS = re.compile(f"[{_BLANK},;<>]")
"""What is left in the middle belongs to a list of addresses, or to no address."""
_SAYS_MORE = re.compile(r"""[\s"():\[\]\\]""")
"""A name, a comment or a scheme beside the address, or a form of it that nobody has."""

_PLAIN = re.compile(r"[a-zA-Z0-9_+-]+(?:\.[a-zA-Z0-9_+-]+)*@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+")
"""Nearly every address, with nothing around it."""

# U+2800 is a sign of Braille without a dot.
_MEANT = re.compile(r"[^@\s\u2800|\\]+@[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")

_BRACKETED = re.compile(r"""<\s*(?:mailto:)?([^\s<>"(),:;]+@[^\s<>"'(),:;@]+)\s*>""", re.IGNORECASE)
_BARE = re.compile(r"""(?:mailto:)?([^\s<>"(),:;\[\]]+@[^\s<>"'(),:;\[\]@]+)""", re.IGNORECASE)


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
    bare = bare_address(seen)
    if bare is not None and not _SAYS_MORE.search(bare):
        written = [bare]
    else:
        written = _BRACKETED.findall(seen)[-1:] or _BARE.findall(seen)
    found = {each.strip(".").lstrip("'") for each in written}
    address = found.pop() if len(found) == 1 else ""
    local, _, domain = address.rpartition("@")
    return address if local and domain and len(address) <= LONGEST_ADDRESS else None


def bare_address(text: str) -> str | None:
    """Without the name, `mailto:`, quotes and commas around an address; None for what is no single address.

    >>> bare_address("Ada Lovelace <mailto:ada@example.com.>"), bare_address("'o'brien@example.com',")
    ('ada@example.com', "o'brien@example.com")
    """
    trimmed = _trimmed(text)
    in_angles = _IN_ANGLES.match(trimmed)
    bare = _trimmed(in_angles[1]) if in_angles else trimmed
    return bare if "@" in bare and not _NO_ADDRESS.search(bare) else None


def can_be_meant(form: str) -> bool:
    """Whether an address in its normal form may be somebody's; False where it is filed for nobody.

    >>> can_be_meant("ada@example.com"), can_be_meant("ada@example.com|ben@example.com")
    (True, False)
    """
    return _MEANT.fullmatch(form) is not None


def without_unseen(text: str) -> str:
    """Without characters that have no width, but for joiners inside words of scripts that need them.

    >>> without_unseen("a\u034fda\u200c@example.com"), len(without_unseen("\u0646\u200c\u0627"))
    ('ada@example.com', 3)
    """
    return text if text.isascii() else _LOOSE_JOINER.sub("", _UNSEEN.sub("", text))


def _trimmed(text: str) -> str:
    return _BEHIND.sub("", _BEFORE.sub("", text))
