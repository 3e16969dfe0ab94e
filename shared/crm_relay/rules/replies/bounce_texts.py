"""Words by which mail servers say that an address will never work, each with the server that writes them.

For reports without an enhanced status code (RFC 3463) that says it. What stands in no table is no permanent bounce.
"""

import re
from html import unescape
from typing import NamedTuple


class BounceText(NamedTuple):
    """A pattern over text in lower case on one line, what is in everything that it finds, and where it comes from."""

    always: str
    pattern: str
    source: str


UNKNOWN_ADDRESS = (
    BounceText("user unknown", r"user unknown", "Sendmail; Postfix: in local recipient table; Libero, T-Online"),
    BounceText("unknown user", r"unknown user", "Exim, Courier, T-Online"),
    BounceText(
        "no such ",
        r"no such (?:user|recipient|mailbox|address|account|person)\b",
        "Gmail, Dovecot, qmail-ldap, QQ, MDaemon",
    ),
    BounceText(
        " not found",
        r"(?:user|mailbox|recipient) not found",
        "Mail.ru, 163.com: User not found; Yahoo: mailbox not found; Exchange",
    ),
    BounceText("by that name", r"no mailbox (?:here )?by that name", "qmail: Sorry, no mailbox here by that name"),
    BounceText("unrouteable address", r"unrouteable address", "Exim, specification chapter 3.18"),
    BounceText("unknown ", r"unknown (?:recipient|mailbox|local[ -]part)\b", "Exim, Orange, AT&T"),
    BounceText("invalid ", r"invalid (?:recipient|mailbox|local[ -]part)\b", "Mail.ru: invalid mailbox; Orange"),
    BounceText(" unknown", r"(?:recipient|addressee|address) unknown", "Lotus Domino, IMail"),
    BounceText("unknown or illegal alias", r"unknown or illegal alias", "iCloud"),
    BounceText("not our customer", r"not our customer", "Comcast"),
    BounceText("not a ", r"not a (?:valid|known) (?:mailbox|user|recipient)", "IMail, MailEnable"),
    BounceText("bad destination mailbox address", r"bad destination mailbox address", "RFC 3463, X.1.1"),
    BounceText(
        "t exist",
        r"\b(?:account|address|mailbox|user|recipient)\b[^.;]{0,60} (?:does not|doesn'?t) exist",
        "Gmail: The email account that you tried to reach does not exist; Exchange; Zoho",
    ),
    BounceText(
        " be found",
        r"address(?: you entered)? (?:couldn'?t|could not) be found",
        "Gmail: Address not found; Exchange 2010 on",
    ),
    BounceText("this user doesn", r"this user doesn'?t have an? \S+ account", "Yahoo: delivery error: dd"),
    BounceText("disabled", r"mailbox (?:is )?disabled", "Yahoo 554.30; RFC 3463, X.2.1"),
    BounceText(
        "account ",
        r"account (?:has been|is|that you tried to reach is) (?:disabled|discontinued|closed)",
        "Yahoo, Gmail",
    ),
    BounceText(
        "requested action not taken: mailbox unavailable",
        r"\b550[ -](?:.{0,20})requested action not taken: mailbox unavailable",
        "GMX, WEB.DE, Outlook.com",
    ),
)

_ELSE = re.compile(
    r"quota|mailbox (?:is )?full|insufficient|try (?:again|later)|temporar|greylist|grey-list|deferred|blocked"
    r"|black ?list|block ?list|spam|reputation|rate limit|too many|authenticat|access denied"
    r"|not permitted|policy|rejected your"
)
"""Near such words the report speaks about something that may pass, or about us."""

_NEAR = 160
_TAG = re.compile(r"<[^<>]{1,500}>")
_CONTINUED = re.compile(r"(?<=\d\d\d)-(?=[a-z])|\s[45]\d\d-(?=[a-z\s])")
_LATER = re.compile(r"(?:^|[:;(]\s*)4[25]\d[ -]", re.MULTILINE)
_SEARCHED = tuple((each.always, re.compile(each.pattern)) for each in UNKNOWN_ADDRESS)


def says_unknown_address(text: str) -> bool:
    """Whether a report says that there is no such address, and nothing beside it that it may yet work.

    >>> says_unknown_address("550 No such user here"), says_unknown_address("450 User unknown, try again later")
    (True, False)
    """
    lowered = unescape(_TAG.sub(" ", text) if "<" in text else text).lower().replace("\u2019", "'")
    line = " ".join((_CONTINUED.sub(" ", lowered) if "-" in lowered else lowered).split())
    # A plain search first, which is many times as fast: most reports have the words of one or two servers.
    patterns = [pattern for always, pattern in _SEARCHED if always in line]
    found = [
        line[max(0, each.start() - _NEAR) : each.end() + _NEAR]
        for pattern in patterns
        for each in pattern.finditer(line)
    ]
    return bool(found) and not _LATER.search(lowered) and not any(_ELSE.search(around) for around in found)
