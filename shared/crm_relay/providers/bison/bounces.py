"""Whether a bounce says that an address will never work."""

import re
from collections.abc import Iterator

from crm_relay.rules.replies.bounce_texts import says_refused_for_our_sake, says_unknown_address

# RFC 3463, section 3: class, subject and detail. Neither a part of a longer number such as an IP address nor of a date.
# It begins with the dot and looks back: a report is searched for a single letter many times as fast.
_CODE = re.compile(r"\.(?<=[245]\.)(?<![\d.][245]\.)\d{1,3}\.\d{1,3}(?!\d|\.\d)")
# The mailbox or its domain does not exist, is written wrongly, or moved (X.1.0 to X.1.10 without those that are about
# the sender: 0, 7, 8, 9), or it was switched off (X.2.1).
_PERMANENT = {"5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.2.1"}
# Too full (X.2.2), or refused by a rule that may be about us (X.7.x).
_ABOUT_SOMETHING_ELSE = re.compile(r"4\..*|5\.2\.2|5\.7\..*")
# "Other" in every class: Outlook.com writes 5.5.0 before "mailbox unavailable", Sendmail 5.3.0 before "No such user".
_SAYS_NOTHING = {"5.0.0", "5.1.0", "5.3.0", "5.5.0"}
# "Delivery not authorized": Gmail, qmail and Exchange write it before "No such user" too, and the words decide.
_WORDS_DECIDE = "5.7.1"
_ENOUGH = 100_000


def is_permanent_bounce(*texts: str | None) -> bool:
    """By the enhanced status codes in the report, or without any by its words; False where neither says it."""
    read = [text[:_ENOUGH] for text in texts if text]
    found = {code for text in read for code in _codes(text)}
    if any(_ABOUT_SOMETHING_ELSE.fullmatch(code) for code in found - {_WORDS_DECIDE}):
        return False
    if any(says_refused_for_our_sake(text) for text in read):
        return False
    if found & _PERMANENT and _WORDS_DECIDE not in found:
        return True
    others = {code for code in found if not code.startswith("2.")} - _SAYS_NOTHING - _PERMANENT - {_WORDS_DECIDE}
    return not others and any(says_unknown_address(text) for text in read)


def _codes(text: str) -> Iterator[str]:
    return (text[match.start() - 1 : match.end()] for match in _CODE.finditer(text))
