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


# Where mails of many servers are collected, or their words.
_PARSER = "corpus of Mail::DeliveryStatus::BounceParser 1.543"
_FLUFL = "corpus of flufl.bounce 6.0.0"
_SISIMAI = "vocabulary of Sisimai 4.25.15"

_NAMED = r"(?:[^.;]|\.\S){0,80}"
"""An address or a name between two words of one sentence."""

UNKNOWN_ADDRESS = (
    BounceText("user unknown", r"user unknown", "Sendmail; Postfix: in local recipient table; Libero, T-Online"),
    BounceText("user not ", r"user not (?:known|exist|active)", _SISIMAI),
    BounceText("unknown ", r"unknown (?:virtual )?user", "Exim, Courier, T-Online, vdeliver"),
    BounceText(
        "no such ",
        r"no such (?:user|recipient|mailbox|address|account|person|domain)\b",
        "Gmail, Dovecot, qmail-ldap, QQ, MDaemon",
    ),
    BounceText(
        " not found",
        r"(?:user|mail-?box|recipient) not found",
        "Mail.ru, 163.com: User not found; Yahoo: mailbox not found; Exchange",
    ),
    BounceText(" not found", r"@[a-z0-9.-]{1,255}[>\]]{0,2} not found", _SISIMAI),
    BounceText(" was not found", rf"\b(?:user|recipient|mailbox)\b{_NAMED} was not found", _SISIMAI),
    BounceText("name is not found", r"e-?mail name is not found", _SISIMAI),
    BounceText(
        "by that name",
        r"no (?:mailbox|account|user) (?:here )?by that name",
        "qmail: Sorry, no mailbox here by that name",
    ),
    BounceText("no mail", r"no mail ?box (?:found|available for this user)", _PARSER),
    BounceText("unrouteable address", r"unrouteable address", "Exim, specification chapter 3.18"),
    BounceText(
        "unknown ", r"unknown (?:recipient|mailbox|local[ -]part|e-?mail address|address)\b", "Exim, Orange, AT&T"
    ),
    BounceText(
        "invalid", r"invalid[ -](?:recipient|mailbox|local[ -]part|user)\b", "Mail.ru: invalid mailbox; Orange; Postfix"
    ),
    BounceText("mailbox invalid", r"mailbox invalid", _SISIMAI),
    BounceText("final delivery userid", r"invalid final delivery userid", _FLUFL),
    BounceText(
        " unknown", r"(?:recipient|addressee|address|host) unknown", "Lotus Domino, IMail, Sendmail: Host unknown"
    ),
    BounceText("unknown or illegal alias", r"unknown or illegal alias", "iCloud"),
    BounceText("not our customer", r"not our customer", "Comcast"),
    BounceText("not a", r"not an? (?:valid|known) (?:mailbox|user|recipient)", "IMail, MailEnable, Exim"),
    BounceText("an active ", r"not an active (?:address|user|mailbox)", _PARSER),
    BounceText("not listed in", r"not listed in (?:domino|public name)", "Lotus Domino"),
    BounceText("not present in directory", r"not present in directory", _SISIMAI),
    BounceText("matches to nameserver query", r"no matches to nameserver query", _FLUFL),
    BounceText("bad destination mailbox address", r"bad destination mailbox address", "RFC 3463, X.1.1"),
    BounceText("recipient", r"bad[ _-]recipient\b", _PARSER),
    BounceText("to", r"bad(?:rcpt|recipient)to", "qmail: is in my badrcptto list"),
    BounceText(
        "resolver.adr.recip", r"resolver\.adr\.recip(?:ient)? ?notfound", "Exchange 2007 on: RESOLVER.ADR.RecipNotFound"
    ),
    BounceText(
        "t exist",
        rf"\b(?:account|address|mailbox|user|rcpt|recipient)\b{_NAMED} (?:does not|doesn'?t) exist",
        "Gmail: The email account that you tried to reach does not exist; Exchange; Zoho",
    ),
    BounceText("t exist", r"@[a-z0-9.-]{1,255}[>\]]{0,2} (?:does not|doesn'?t) exist", _PARSER),
    BounceText("recipient not exist", r"recipient not exist", _SISIMAI),
    BounceText(
        "t exist",
        r"(?<!sender )(?<!sender's )\bdomain (?:does not|doesn'?t) exist",
        _FLUFL + "; not Sendmail's Domain of sender address",
    ),
    BounceText("existent ", r"non-?existent (?:user|mailbox|address|recipient|account)", _SISIMAI),
    BounceText(
        " be found",
        r"address(?: you entered)? (?:couldn'?t|could not) be found",
        "Gmail: Address not found; Exchange 2010 on",
    ),
    BounceText("no one at this address", r"no one at this address", _SISIMAI),
    BounceText(
        " no longer ",
        r"address (?:is )?(?:wrong or )?no longer (?:valid|accepts mail|exists|active|in use)",
        _FLUFL,
    ),
    BounceText("this user doesn", r"this user doesn'?t have an? \S+ account", "Yahoo: delivery error: dd"),
    BounceText("disabled", r"mailbox (?:is )?disabled", "Yahoo 554.30; RFC 3463, X.2.1"),
    BounceText("inactive", r"mailbox (?:is )?inactive|inactive user", _SISIMAI),
    BounceText("deactivated", r"deactivated mailbox|mailbox (?:is )?deactivated", "QQ; " + _PARSER),
    BounceText(
        "account ",
        r"account (?:has been|is|that you tried to reach is) (?:disabled|discontinued|closed)",
        "Yahoo, Gmail",
    ),
    BounceText(
        "requested action not taken: mailbox unavailable",
        r"\b550[ -](?:.{0,20})requested action not taken: mailbox unavailable"
        r"|requested action not taken: mailbox unavailable[. ]{0,2}\[smtp error code 550",
        "GMX, WEB.DE, Outlook.com; " + _FLUFL,
    ),
    # In other languages.
    BounceText(
        "existe pas",
        rf"\b(?:adresse|utilisateur|destinataire|compte|bo[iî]te)\b{_NAMED} n'existe pas",
        _FLUFL,
    ),
    BounceText(" inconnu", r"(?:utilisateur|destinataire|adresse) inconnue?\b", _SISIMAI),
    BounceText("nessun utente simile", r"nessun utente simile", _SISIMAI),
    BounceText("no existe ", r"no existe (?:dicha persona|ese usuario|el usuario)", _SISIMAI),
    BounceText("nger unbekannt", r"empf(?:ä|ae)nger unbekannt", _FLUFL),
    BounceText("nie istnieje", r"(?:odbiorca|u[zż]ytkownik|konto|adres)\b.{0,80} nie istnieje", _PARSER),
)

_ELSE = re.compile(
    r"quota|mailbox (?:is )?full|insufficient|not enough|free space|try (?:again|later)|temporar|greylist|grey-list"
    r"|deferred|blocked|black ?list|block ?list|spam|reputation|rate limit|too many|authenticat|access denied"
    r"|not permitted|policy|rejected your|relaying|relay (?:access )?denied|unable to relay|message size"
    r"|too (?:large|big)|forwarding loop"
)
"""Near such words the report speaks about something that may pass, or about us."""

_WORDS_ABOUT_US = ("sender policy framework", "spf", "dmarc", "message size exceed")
_ABOUT_US = re.compile(r"\b5\d\d[ -][^\n]{0,80}(?:sender policy framework|\bspf\b|\bdmarc\b|message size exceed)")

_NEAR = 160
# An address in angle brackets is none.
_TAG = re.compile(r"<(?![^<>\s@]{1,100}@[^<>\s@]{1,300}>)[^<>]{1,500}>")
_CONTINUED = re.compile(r"(?<=\d\d\d)-(?=[a-z])|\s[45]\d\d-(?=[a-z\s])")
_LATER = re.compile(r"(?:^|[:;(]\s*)4[25]\d[ -]", re.MULTILINE)
_STEMS = ("exist", "mailbox", "unknown", "found", "active", "account", "recipient")
"""In the words of several servers: a report without a stem has none of those words."""


def _by_stem() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    families: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for each in UNKNOWN_ADDRESS:
        stem = next((stem for stem in _STEMS if stem in each.always), each.always)
        families.setdefault(stem, []).append((each.always, re.compile(each.pattern)))
    return families


_SEARCHED = _by_stem()


def says_unknown_address(text: str) -> bool:
    """Whether a report says that there is no such address, and nothing beside it that it may yet work.

    >>> says_unknown_address("550 No such user here"), says_unknown_address("450 User unknown, try again later")
    (True, False)
    """
    lowered = unescape(_TAG.sub(" ", text) if "<" in text else text).lower().replace("\u2019", "'")
    line = " ".join((_CONTINUED.sub(" ", lowered) if "-" in lowered else lowered).split())
    # A plain search first, which is many times as fast: most reports have the words of one or two servers.
    families = [family for stem, family in _SEARCHED.items() if stem in line]
    patterns = [pattern for family in families for always, pattern in family if always in line]
    found = [
        line[max(0, each.start() - _NEAR) : each.end() + _NEAR]
        for pattern in patterns
        for each in pattern.finditer(line)
    ]
    return bool(found) and not _LATER.search(lowered) and not any(_ELSE.search(around) for around in found)


def says_refused_for_our_sake(text: str) -> bool:
    """Whether a server refused the sender or the message, whatever code another one put beside it.

    Sendmail adds `550 5.1.1 User unknown` to any refusal with 553.

    >>> says_refused_for_our_sake("553 Sender Policy Framework (SPF) fail"), says_refused_for_our_sake("spf=pass")
    (True, False)
    """
    lowered = text.lower()
    return any(word in lowered for word in _WORDS_ABOUT_US) and _ABOUT_US.search(lowered) is not None
