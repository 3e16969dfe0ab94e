"""What a reader of HTML does not see: elements that are not displayed, and characters that only fill."""

import re
from collections.abc import Mapping

VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
"""Elements without an end. https://html.spec.whatwg.org/multipage/syntax.html#void-elements"""

# Elements around others: the end of one that is not inside a hidden element ends the hidden one too.
_OUTER = frozenset({"body", "center", "div", "li", "main", "ol", "section", "table", "tbody", "td", "th", "tr", "ul"})
_ZERO = r"\s*:\s*0*(?:\.0+)?(?:px|pt|em|rem|%)?\s*(?:!important\s*)?(?:;|$)"
_NOT_SHOWN = re.compile(
    rf"(?:^|[;\s])(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity{_ZERO}"
    rf"|font-size{_ZERO})"
)
_WITHOUT_SIZE = re.compile(rf"(?:^|[;\s])(?:max-)?(?:height|width){_ZERO}")
_CUT_OFF = re.compile(r"(?:^|[;\s])overflow(?:-[xy])?\s*:\s*hidden")

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CONDITIONAL = re.compile(r"@[^{};]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_CLASS = re.compile(r"[\w*]*\.([\w-]+)")

# Characters without width that fill a preview (Unicode: Default_Ignorable_Code_Point, and direction marks).
_FILLERS = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u206f\u3164\ufeff\uffa0"
_FILLER = re.compile(f"[{_FILLERS}]")
_JOINERS = "\u200c-\u200f"
# Between two letters or signs beyond ASCII they have a meaning: Persian words, emoji, mixed directions.
_IDLE_JOINER = re.compile(rf"(?<![^\x00-\x7f\s{_JOINERS}])[{_JOINERS}]+|[{_JOINERS}]+(?![^\x00-\x7f\s{_JOINERS}])")


def is_hidden(attributes: Mapping[str, str | None], hidden_classes: frozenset[str] = frozenset()) -> bool:
    """By its own attributes, or by a class that a style sheet hides."""
    if "hidden" in attributes or not hidden_classes.isdisjoint((attributes.get("class") or "").split()):
        return True
    style = _COMMENT.sub("", attributes.get("style") or "").lower()
    return bool(_NOT_SHOWN.search(style)) or bool(_WITHOUT_SIZE.search(style) and _CUT_OFF.search(style))


def hidden_classes_of(sheet: str) -> frozenset[str]:
    """Classes that are nowhere displayed; what only some screens hide counts as shown."""
    plain = _CONDITIONAL.sub("", _COMMENT.sub("", sheet))
    return frozenset(
        name
        for selectors, body in _RULE.findall(plain)
        if is_hidden({"style": body})
        for each in selectors.split(",")
        if (found := _CLASS.fullmatch(each.strip()))
        for name in [found[1]]
    )


def without_fillers(text: str) -> str:
    """`text` without characters that nobody sees."""
    return _FILLER.sub("", text) if text.isascii() else _IDLE_JOINER.sub("", _FILLER.sub("", text))


class HiddenPart:
    """Follows the tags of a document while something in it is hidden."""

    def __init__(self) -> None:
        self._open: list[str] = []

    def __bool__(self) -> bool:
        """Whether the reader is inside a hidden element."""
        return bool(self._open)

    def begin(self, tag: str, *, hides: bool) -> None:
        """A tag opens; one without an end hides nothing behind it."""
        if self._open == ["p"] and (tag == "p" or tag in _OUTER):
            # https://html.spec.whatwg.org/multipage/syntax.html#optional-tags
            self._open = []
        if tag not in VOID and (self._open or hides):
            self._open.append(tag)

    def end(self, tag: str) -> None:
        """A tag closes, and with it all that was left open inside."""
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        elif tag in _OUTER:
            self._open = []
