"""What a mail needs besides its template: a part in plain text, a footer in both parts, and addresses in headers."""

import html as markup
import re
from email.header import Header
from email.utils import formataddr
from functools import lru_cache
from html.parser import HTMLParser
from urllib.parse import urlsplit

from crm_relay.consent.address import normalise
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.hidden_html import VOID, HiddenPart, hidden_classes_of, is_hidden, without_fillers
from crm_relay.rules.templates import one_line

_UNSEEN = frozenset({"script", "style", "title", "template"})
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote"})
_LINES = frozenset(
    {"body", "center", "dd", "div", "dt", "footer", "header", "li", "main", "pre", "section", "td", "tr"}
)
_FOLLOWED = ("http://", "https://", "mailto:", "tel:", "{{")

# Comments, of which an unfinished one hides all behind it, and the ends of a body that stand in none.
_COMMENT_OR_END = re.compile(r"<!--(?:.*?-->|(?P<open>.*\Z))|(?P<end></body\s*>)", re.IGNORECASE | re.DOTALL)
_END_OF_DOCUMENT = re.compile(r"</html\s*>\s*\Z", re.IGNORECASE)

# Comments, and `<![endif]>` and its like, which Outlook reads and the parser may refuse.
_UNREAD = re.compile(r"<!--(?:.*?-->|.*\Z)|<!\[[^>]*>?", re.DOTALL)
_STYLE_SHEET = re.compile(r"<style\b[^>]*>(.*?)</style", re.IGNORECASE | re.DOTALL)
_LONGEST_ENCODED_WORD = 75
_BREAK, _PARAGRAPH = "\f", "\n\n"
_BREAKS = re.compile(r" ?[\n\f][ \n\f]*")

# No quoted local parts: nobody has one, and they may hold anything that ends a header.
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")

# Printable ASCII without angle brackets, between which it stands in a List-Unsubscribe header.
_URL = re.compile(r"[!-;=?-~]+")
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[!-;=?-~]*)?")
"""Nearly every link; what it matches has a host."""

_FOOTER = (
    '<div style="margin-top:24px;font-size:12px;line-height:18px;color:#666666"><p style="margin:0">{postal}</p>'
    '<p style="margin:8px 0 0"><a href="{url}" style="color:#666666">Unsubscribe</a></p></div>'
)
_FOOTER_FOR_COLLEAGUES = (
    '<div style="margin-top:24px;font-size:12px;line-height:18px;color:#666666">'
    '<p style="margin:0"><a href="{url}" style="color:#666666">No more e-mails about this</a></p></div>'
)


@lru_cache(maxsize=128)
def html_to_text(html: str) -> str:
    """What a reader of plain text gets instead: links stand behind their words, as `words (https://...)`.

    What the HTML does not display, such as the teaser in front of it, and filling characters are left out.
    Variables pass unchanged, so give it the template and not each mail: the last ones are remembered.
    """
    shown = _UNREAD.sub("", html)
    reader = _TextReader(hidden_classes_of("\n".join(_STYLE_SHEET.findall(shown))))
    reader.feed(shown)
    reader.close()
    return reader.text()


def with_footer(html: str, text: str, unsubscribe_url: str, postal_address: str) -> tuple[str, str]:
    """Both parts (html, text) with the sender's postal address and a link to unsubscribe, where a reader sees them.

    An empty part stays empty. RejectedInput where there is no postal address, or the link is none.
    """
    lines = [line for each in postal_address.splitlines() if (line := one_line(each))]
    if not lines:
        raise RejectedInput("the organization has no postal address")
    if not _is_link(unsubscribe_url):
        raise RejectedInput("the link to unsubscribe is not a URL")
    footer = _FOOTER.format(postal="<br>".join(map(markup.escape, lines)), url=markup.escape(unsubscribe_url))
    below = "\n".join(["---", *lines, f"Unsubscribe: {unsubscribe_url}"])
    return _inside_body(html, footer) if html else html, f"{text.rstrip()}\n\n{below}\n" if text else text


def with_colleague_footer(html: str, text: str, unsubscribe_url: str) -> tuple[str, str]:
    """Both parts (html, text) of a mail to a colleague with the link that ends mails of its kind.

    An empty part stays empty. RejectedInput where the link is none.
    """
    if not _is_link(unsubscribe_url):
        raise RejectedInput("the link to unsubscribe is not a URL")
    footer = _FOOTER_FOR_COLLEAGUES.format(url=markup.escape(unsubscribe_url))
    below = f"---\nNo more e-mails about this: {unsubscribe_url}"
    return _inside_body(html, footer) if html else html, f"{text.rstrip()}\n\n{below}\n" if text else text


def formatted_address(name: str | None, address: str) -> str:
    """`"Jane, Doe" <jane@example.com>` for From, Reply-To and To: ASCII, one line, one address.

    Other letters in a name are encoded (RFC 2047), in a domain too (IDNA). RejectedInput, without the address, for one
    that no header may hold.
    """
    bare = address if address.isascii() else normalise(address) or ""
    if not _ADDRESS.fullmatch(bare):
        raise RejectedInput("not an address that a mail can carry")
    shown = one_line(name or "")
    if not shown:
        return bare
    if shown.isascii() and "=?" not in shown:
        return formataddr((shown, bare))
    # A long name takes several encoded words. A header would be folded between them, here a space is enough.
    words = Header(shown, "utf-8", maxlinelen=_LONGEST_ENCODED_WORD).encode(linesep="")
    return f"{words} <{bare}>"


def _inside_body(html: str, footer: str) -> str:
    found = list(_COMMENT_OR_END.finditer(html))
    ends = [each.start() for each in found if each["end"]]
    hidden = [each.start() for each in found if each["open"] is not None]
    last = _END_OF_DOCUMENT.search(html)
    place = (ends or hidden or [last.start() if last else len(html)])[-1]
    return html[:place] + footer + html[place:]


def _is_link(url: str) -> bool:
    if _PLAIN_URL.fullmatch(url):
        return True
    if not url.startswith(("https://", "http://")) or not _URL.fullmatch(url):
        return False
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


class _TextReader(HTMLParser):
    """Collects words and breaks; an empty line stands between paragraphs."""

    def __init__(self, hidden_classes: frozenset[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._hidden_classes, self._hidden = hidden_classes, HiddenPart()
        self._written: list[str] = []
        self._unseen = 0
        self._link: tuple[str, int] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens what is not shown, a link, or a line."""
        given = dict(attrs)
        hides = is_hidden(given, self._hidden_classes)
        self._hidden.begin(tag, hides=hides)
        if self._hidden or (hides and tag in VOID):
            return
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "a":
            self._end_link()
            self._link = ((given.get("href") or "").strip(), len(self._written))
        elif tag == "img":
            self.handle_data(given.get("alt") or "")
        elif tag in {"br", "hr"}:
            self._written.append("\n")
        elif tag in _PARAGRAPHS or tag in _LINES:
            self._break(tag)
            if tag == "li":
                self._written.append("- ")

    def handle_endtag(self, tag: str) -> None:
        """Closes it; the address of a link follows its words."""
        if self._hidden:
            self._hidden.end(tag)
        elif tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag == "a":
            self._end_link()
        elif tag in _PARAGRAPHS or tag in _LINES:
            self._break(tag)

    def handle_data(self, data: str) -> None:
        """Words; how they are spaced says nothing in HTML."""
        if not self._unseen and not self._hidden:
            self._written.append(re.sub(r"\s+", " ", data))

    def text(self) -> str:
        """All of it."""
        self._end_link()
        spaced = re.sub(" {2,}", " ", without_fillers("".join(self._written)))
        return _BREAKS.sub(lambda run: "\n" * min(2, run[0].count("\n") or 1), spaced).strip()

    def _break(self, tag: str) -> None:
        self._written.append(_PARAGRAPH if tag in _PARAGRAPHS else _BREAK)

    def _end_link(self) -> None:
        if self._link is None:
            return
        (href, begun), self._link = self._link, None
        words = "".join(self._written[begun:]).strip()
        if href.startswith(_FOLLOWED) and words != href and words != href.partition(":")[2]:
            self._written.append(f" ({href})" if words else href)
