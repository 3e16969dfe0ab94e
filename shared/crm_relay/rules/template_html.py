"""What HTML of a template may hold: nothing that runs or asks for input, and no place where a value becomes markup."""

import re
from html.parser import HTMLParser

LINK_ATTRIBUTES = frozenset({"href", "src", "action", "background", "formaction", "xlink:href"})

_FORBIDDEN = frozenset({"script", "iframe", "object", "embed", "form", "input", "button", "textarea", "select", "base"})
_PROGRAM = re.compile(r"^[\s\x00-\x1f]*(javascript|vbscript|data\s*:\s*text/html)", re.IGNORECASE)
_OPEN_TAG = re.compile(r"<[A-Za-z/!][^>]*\Z")
_QUOTED = re.compile(r"""=\s*("[^"]*"|'[^']*')""")


def problems_of_markup(text: str) -> list[str]:
    """What is wrong, each once; empty: nothing."""
    reader = _TagReader()
    reader.feed(text)
    reader.close()
    if _OPEN_TAG.search(text):
        reader.found.append("a tag is not closed with >")
    return list(dict.fromkeys(reader.found))


def links_of(text: str) -> list[str]:
    """The values of all attributes that a reader's program would follow or load."""
    reader = _TagReader()
    reader.feed(text)
    reader.close()
    return reader.links


class _TagReader(HTMLParser):
    """Collects what is wrong; a mail reader would drop it, or a filter the whole mail."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opening tags, and those that are closed at once."""
        if tag in _FORBIDDEN:
            self.found.append(f"<{tag}> has no place in a mail")
        # A value is escaped for a place between tags and for a quoted attribute; anywhere else it could be markup.
        if "{{" in _QUOTED.sub("", self.get_starttag_text() or ""):
            self.found.append("a variable in a tag has to stand in a quoted attribute")
        for name, value in attrs:
            if name.startswith("on"):
                self.found.append("a mail runs no scripts: no attribute may begin with on")
            if name not in LINK_ATTRIBUTES:
                continue
            self.links.append(value or "")
            if _PROGRAM.match(value or ""):
                self.found.append(f"{name} has to be a link")
