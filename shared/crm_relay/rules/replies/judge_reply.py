"""Whether a person wrote a mail that came in, and by which sign; pure. Every source of replies asks here."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header

from crm_relay.rules.replies.vocabulary import (
    AUTOMATIC_SUBJECTS,
    AWAY_SUBJECTS,
    BOUNCE_SUBJECTS,
    DAEMONS,
    EMPTY_SAYS,
    EXCHANGE_DAEMON,
    HINTS,
    NOTHING_SAID,
    REPORTS,
    RETURN_PATH,
    SIGNS,
    UNATTENDED,
    HeaderSign,
    ReplyKind,
)

_LONGEST = 2000
_REPORT_TYPE = re.compile(r"""report-type\s*=\s*["']?([a-z-]+)""")
_ANSWERED = re.compile(r"(?:re|aw|sv|vs|antw|odp|res|rif|ref|回复|答复|返信)\s*(?:\[\d+\])?\s*[:：]", re.IGNORECASE)
_BRACKETED = re.compile(r"^\[([^\]]*)\]\s*:?")


@dataclass(frozen=True)
class ReplyVerdict:
    """What a mail is. `reason` names the sign, never what stands in the mail."""

    kind: ReplyKind
    reason: str

    @property
    def is_person(self) -> bool:
        """Whether it is a reply at all."""
        return self.kind == "person"


def judge_reply(headers: Mapping[str, str], *, sender: str | None = None, subject: str | None = None) -> ReplyVerdict:
    """`headers`: at least those of KEPT_HEADERS, names in lower case; `sender`: the bare address of From.

    What no sign speaks about is a person's: a sequence that ends too early does less harm than one that goes on.

    >>> judge_reply({"auto-submitted": "auto-replied (vacation)"})
    ReplyVerdict(kind='automatic', reason='auto-submitted')
    >>> judge_reply({"x-auto-response-suppress": "All"}).kind, judge_reply({"auto-submitted": "no (typed)"}).kind
    ('person', 'person')
    """
    found = _by_report(headers) or _by_sender(sender) or _by_headers(headers)
    if found is not None:
        return found
    title = _title(subject)
    if (is_automatic := _begins(title, AUTOMATIC_SUBJECTS)) and not _ANSWERED.match(title):
        return ReplyVerdict("automatic", "subject")
    if _is_null(headers.get(RETURN_PATH)):
        bounced = title.startswith(BOUNCE_SUBJECTS)
        return ReplyVerdict("bounce" if bounced else "automatic", RETURN_PATH)
    return _by_hints(headers, sender, title, is_automatic=is_automatic)


def _by_report(headers: Mapping[str, str]) -> ReplyVerdict | None:
    content_type = headers.get("content-type", "")[:_LONGEST].strip().lower()
    if not content_type.startswith("multipart/report"):
        return None
    found = _REPORT_TYPE.search(content_type)
    kind = REPORTS.get(found[1]) if found else None
    return None if kind is None else ReplyVerdict(kind, "content-type")


def _by_sender(sender: str | None) -> ReplyVerdict | None:
    local = _local_part(sender)
    is_daemon = local.partition("+")[0] in DAEMONS or local.startswith(EXCHANGE_DAEMON)
    return ReplyVerdict("bounce", "sender") if is_daemon else None


def _by_headers(headers: Mapping[str, str]) -> ReplyVerdict | None:
    """By the first sign of the table, wherever it is among the headers."""
    for name in SIGNS if headers else ():
        if name in headers and (name in EMPTY_SAYS or _says(SIGNS[name], headers[name])):
            return ReplyVerdict(SIGNS[name].kind, name)
    return None


def _says(sign: HeaderSign, text: str) -> bool:
    """A header that stands twice has both values, one behind the other."""
    value = _plain(text)
    if sign.values is None:
        return not all(word in NOTHING_SAID for word in value.replace(",", " ").split())
    return value in sign.values or not sign.values.isdisjoint(value.replace(",", " ").split())


def _by_hints(headers: Mapping[str, str], sender: str | None, title: str, *, is_automatic: bool) -> ReplyVerdict:
    asks_for_silence = any(_plain(headers[name]) not in NOTHING_SAID for name in HINTS if name in headers)
    is_unattended = _local_part(sender) in UNATTENDED
    is_answer = _ANSWERED.match(title) is not None
    if title.startswith(BOUNCE_SUBJECTS) and (is_unattended or asks_for_silence):
        return ReplyVerdict("bounce", "subject and sender" if is_unattended else "subject and suppress")
    is_away = is_automatic or any(words in title for words in AWAY_SUBJECTS)
    if asks_for_silence and ((is_away and not is_answer) or is_unattended):
        return ReplyVerdict("automatic", "sender and suppress" if is_unattended else "subject and suppress")
    return ReplyVerdict("person", "nothing speaks against a person")


def _begins(title: str, openings: tuple[str, ...]) -> bool:
    """Whether one of them stands before a colon, in brackets, or alone."""
    bracketed = _BRACKETED.match(title)
    head, colon, _ = title.replace("：", ":").partition(":")
    return (bracketed[1].strip() if bracketed else head.strip() if colon else title) in openings


def _is_null(return_path: str | None) -> bool:
    """None: the source does not say."""
    if return_path is None:
        return False
    bare = return_path.strip().strip("<>").strip().lower()
    return not bare or bare.partition("@")[0] in DAEMONS


def _local_part(sender: str | None) -> str:
    return (sender or "").strip().strip("<>").partition("@")[0].lower()


def _title(subject: str | None) -> str:
    """In one form: decoded (RFC 2047), NFKC, in lower case, on one line."""
    text = (subject or "")[:_LONGEST]
    if "=?" in text:
        try:
            text = str(make_header(decode_header(text)))
        except (HeaderParseError, LookupError, UnicodeError, ValueError):
            return ""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _plain(value: str) -> str:
    """Without comments (RFC 5322, section 3.2.2: they nest), quotes and parameters."""
    written, depth, escaped = [], 0, False
    for sign in value[:_LONGEST]:
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth = max(0, depth - 1)
        elif not depth:
            written.append(sign)
    return " ".join("".join(written).partition(";")[0].replace('"', " ").lower().split())
