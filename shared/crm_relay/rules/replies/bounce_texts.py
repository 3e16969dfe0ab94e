"""Words by which mail servers say that an address will never work, each with the server that writes them.

For reports without an enhanced status code (RFC 3463) that says it. What stands in no table is no permanent bounce.
"""

import re
from html import unescape

UNKNOWN_ADDRESS: tuple[tuple[str, str], ...] = (
    (r"user unknown", "Sendmail; Postfix: User unknown in local recipient table; Libero, T-Online"),
    (r"unknown user", "Exim, Courier, T-Online"),
    (r"no such (?:user|recipient|mailbox|address|account|person)\b", "Gmail, Dovecot, qmail-ldap, QQ, MDaemon"),
    (r"(?:user|mailbox|recipient) not found", "Mail.ru, 163.com: User not found; Yahoo: mailbox not found; Exchange"),
    (r"no mailbox (?:here )?by that name", "qmail: Sorry, no mailbox here by that name"),
    (r"unrouteable address", "Exim, specification chapter 3.18"),
    (r"(?:unknown|invalid) (?:recipient|mailbox|local[ -]part)\b", "Exim, Mail.ru: invalid mailbox; Orange, AT&T"),
    (r"(?:recipient|addressee|address) unknown", "Lotus Domino, IMail"),
    (r"unknown or illegal alias", "iCloud"),
    (r"not our customer", "Comcast"),
    (r"not a (?:valid|known) (?:mailbox|user|recipient)", "IMail, MailEnable"),
    (r"bad destination mailbox address", "RFC 3463, X.1.1"),
    (
        r"\b(?:account|address|mailbox|user|recipient)\b[^.;]{0,60} (?:does not|doesn'?t) exist",
        "Gmail: The email account that you tried to reach does not exist; Exchange; Zoho",
    ),
    (r"address(?: you entered)? (?:couldn'?t|could not) be found", "Gmail: Address not found; Exchange 2010 on"),
    (r"this user doesn'?t have an? \S+ account", "Yahoo: delivery error: dd"),
    (r"(?:this )?mailbox (?:is )?disabled", "Yahoo 554.30; RFC 3463, X.2.1"),
    (
        r"account (?:has been|is|that you tried to reach is) (?:disabled|discontinued|closed)",
        "Yahoo, Gmail",
    ),
    (r"\b550[ -](?:.{0,20})requested action not taken: mailbox unavailable", "GMX, WEB.DE, Outlook.com"),
)
"""Patterns over text in lower case on one line, and where they come from."""

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
_PATTERN = re.compile("|".join(f"(?:{words})" for words, _ in UNKNOWN_ADDRESS))


def says_unknown_address(text: str) -> bool:
    """Whether a report says that there is no such address, and nothing beside it that it may yet work.

    >>> says_unknown_address("550 No such user here"), says_unknown_address("450 User unknown, try again later")
    (True, False)
    """
    lowered = unescape(_TAG.sub(" ", text)).lower().replace("\u2019", "'")
    if _LATER.search(lowered):
        return False
    line = " ".join(_CONTINUED.sub(" ", lowered).split())
    found = [line[max(0, each.start() - _NEAR) : each.end() + _NEAR] for each in _PATTERN.finditer(line)]
    return bool(found) and not any(_ELSE.search(around) for around in found)
