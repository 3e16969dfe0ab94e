"""Placeholders of other senders and spellings that no engine here fills: they would leave as they are. Pure.

Written as in Mailchimp, Mautic, HubSpot, Salesforce, Mailgun, SendGrid, Instantly, EmailBison, Campaign Monitor, Zoho,
Constant Contact, Smarty, Word and Liquid.
"""

import re
from collections.abc import Iterable, Iterator
from html import unescape
from urllib.parse import unquote

from crm_relay.rules.templates import VARIABLES

_LONGEST_SHOWN = 60

_OURS = {
    "contact.first_name": ("firstname", "fname", "first", "givenname", "vorname", "prenom", "name", "fullname", "lead"),
    "contact.last_name": ("lastname", "lname", "last", "surname", "familyname", "nachname", "nom"),
    "contact.email": ("email", "emailaddress", "mail", "recipient", "toemail"),
    "contact.company": ("company", "companyname", "organization", "organisation", "account", "accountname"),
    "campaign.name": ("campaign", "campaignname"),
}
_NAMES = {spelling: name for name, spellings in _OURS.items() for spelling in spellings}
_WITHOUT_EQUAL = frozenset(
    (
        *("title", "jobtitle", "city", "state", "country", "phone", "website", "industry", "signature"),
        *("unsubscribe", "unsubscribeurl", "unsubscribelink", "unsub", "webviewurl"),
        *("senderfirstname", "sendername", "senderemail"),
    )
)
# In brackets people write words of their own.
_BRACKETED = frozenset(
    ("firstname", "fname", "lastname", "lname", "fullname", "name", "company", "companyname", "jobtitle")
)
_PREFIXES = ("contact", "contactfield", "lead", "recipient", "subscriber", "person", "prospect", "user", "custom")

_NAME = r"[^\W\d][\w .=:-]{0,60}?"
_SURE = re.compile(
    r"%7B%7B.{0,200}?%7D%7D"
    r"|(?:&(?:#0*123|#x0*7b|lcub|lbrace);){2}.{0,200}?(?:&(?:#0*125|#x0*7d|rcub|rbrace);|\}){2}"
    r"|\{%.{0,200}?%\}|<%.{0,200}?%>|\*\|[^|*\n]{1,80}\|\*|\{!.{1,80}?\}|\$\{.{1,80}?\}|\[%.{1,80}?%\]"
    r"|\{(?:contactfield|leadfield|ownerfield|tokens?)=[^{}]{1,80}\}|%%=.{1,80}?=%%",
    re.IGNORECASE | re.DOTALL,
)
_NAMED = re.compile(
    rf"(?<![{{$%#\w])\{{\s*\$?(?P<brace>{_NAME})\s*(?:\|[^{{}}]{{0,100}})?\}}(?!\}})"
    rf"|\[\[?\s*(?P<bracket>{_NAME})\s*(?:(?:\||,\s*fallback=| OR )[^\[\]]{{0,100}})?\]\]?"
    rf"|%{{1,2}}(?P<percent>[^\W\d][\w.]{{0,60}}?)(?:\|[^%\n]{{0,100}})?%{{1,2}}"
    rf"|(?<!%7[Bb])%7[Bb]\s*(?P<encoded>{_NAME})\s*%7[Dd](?!%7[Dd])|｛{{1,2}}\s*(?P<wide>{_NAME})\s*｝{{1,2}}"
    r"|(?:<|&lt;)(?P<tag>[A-Za-z]+_[A-Za-z]+)(?:>|&gt;)"
    r"|(?<![\w#])#(?P<hash>[A-Z]+(?:_[A-Z]+)*)#(?![\w#])|(?<![\w&-])-(?P<dash>[A-Z]+(?:_[A-Z]+)+)-(?![\w-])"
    rf"|(?:<<|«|&lt;&lt;)\s*(?P<angle>{_NAME})\s*(?:>>|»|&gt;&gt;)"
    rf"|(?:@@|##|\$\$|#\{{)\s*(?P<sign>{_NAME})\s*(?:@@|##|\$\$|\}})"
)
_CONSTANT = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{4,}")
_SPUN = re.compile(r"(?<![{$%#])\{(?![^{}|]*:[^{}|]*;)[^{}|<>\n]{1,80}(?:\|[^{}|<>\n]{0,80})+\}(?!\})")
_NO_TEXT = re.compile(r"<!--.*?-->|<(style|code|pre)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_SLOT = re.compile(r"\{\{\s*(?P<name>[A-Za-z_][\w.]*)\s*\|(?P<default>[^{}|]*)\}\}")
_FILTER = re.compile(
    r"""\s*(?:default|fallback|alt|ifnull|if_empty)\s*[:=(\s]\s*["'“]?(?P<word>[^"'”)]*)["'”]?\s*\)?\s*"""
    r"""|\s*["'“](?P<quoted>[^"'”]*)["'”]\s*"""
    r"""|\s*(?P<filter>capitali[sz]e|upcase|downcase|upper|lower|titleize|titlecase|escape|url_?encode|strip_html)\s*"""
    r"""|\s*(?P<call>[a-z_]+\s*(?::\s*["'\d].*|\(.*\)))\s*""",
    re.DOTALL,
)


def problems_of_placeholders(text: str, known: frozenset[str] = VARIABLES) -> list[str]:
    """What would leave as it stands, each with the right spelling; empty: nothing.

    Of braces, brackets and percent signs only those around a name that other senders know, or around a CONSTANT_NAME.

    >>> problems_of_placeholders("Hi {FIRST_NAME}")
    ['{FIRST_NAME} is not filled: write {{contact.first_name}}']
    """
    shown = _NO_TEXT.sub(" ", text)
    return list(dict.fromkeys((*_foreign(shown, known), *_filters(shown))))


def spelling_of(written: str, known: frozenset[str] = VARIABLES) -> str | None:
    """The variable that another sender's name means; None: there is none like it."""
    exact = written.strip()
    if exact in known:
        return exact
    meant = _NAMES.get(_bare(exact))
    return meant if meant in known else None


def with_spelling(names: Iterable[str], known: frozenset[str] = VARIABLES) -> list[str]:
    """Unknown names, each with the variable that it may mean."""
    meant = {name: spelling_of(name, known) for name in names}
    return [f"{name} (write {right})" if right else name for name, right in meant.items()]


def _foreign(text: str, known: frozenset[str]) -> Iterator[str]:
    for found in _SURE.finditer(text):
        yield _problem(found[0], unquote(unescape(found[0])).strip("{}%*|<>=![]$ "), known)
    for found in _NAMED.finditer(text):
        if (name := _name_of(found, known)) is not None:
            yield _problem(found[0], name, known)
    for found in _SPUN.finditer(text):
        named = _NAMED.fullmatch(found[0])
        if named is None or _name_of(named, known) is None:
            yield f"{_shown(found[0])} is not spun: write one of its words, or variants of the step"


def _filters(text: str) -> Iterator[str]:
    for found in _SLOT.finditer(text):
        matched = _FILTER.fullmatch(unescape(found["default"]))
        if matched is None:
            continue
        word = matched["word"] if matched["word"] is not None else matched["quoted"]
        if word is None:
            yield f"{_shown(found[0])}: there are no filters: write {{{{{found['name']}}}}}"
        else:
            yield f"{_shown(found[0])}: write {{{{{found['name']}|{word.strip()}}}}}"


def _problem(text: str, name: str, known: frozenset[str]) -> str:
    meant = spelling_of(name.partition("|")[0], known)
    right = f"{{{{{meant}}}}}" if meant else "{{name}} with one of " + ", ".join(sorted(known)[:8])
    return f"{_shown(text)} is not filled: write {right}"


def _name_of(found: re.Match[str], known: frozenset[str]) -> str | None:
    """None: the signs are around something else."""
    if found["bracket"] is not None:
        return found["bracket"] if _bare(found["bracket"]) in _BRACKETED else None
    name = next(part for part in found.groups() if part is not None)
    is_certain = all(found[signs] is None for signs in ("percent", "encoded", "tag", "hash", "dash"))
    is_constant = is_certain and _CONSTANT.fullmatch(name) is not None
    bare = _bare(name)
    return name if is_constant or bare in _WITHOUT_EQUAL or bare in _NAMES or name in known else None


def _bare(name: str) -> str:
    """Without what others put before a name, and without its separators."""
    words = re.sub(r"[^a-z0-9]", "", name.partition("|")[0].lower())
    shorter = [words.removeprefix(prefix) for prefix in _PREFIXES if words.startswith(prefix)]
    return next((each for each in shorter if each in _NAMES or each in _WITHOUT_EQUAL), words)


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}…"
