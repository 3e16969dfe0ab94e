"""What a person reads on a page: the visible text of every part, and nothing in it that a program meant."""

import re

from playwright.sync_api import Locator, Page

NO_TEXT = re.compile(r"\[object|\bundefined\b|\bNaN\b|\bnull\b|Invalid Date|\bInfinity\b")
"""What a page writes where a value was no text."""

_PARTS = "header, nav, main section, main article, dialog[open], [role=alert], [role=status], footer"


def read_panels(page: Page) -> dict[str, str]:
    """Text by part, as it is read: hidden text is left out, a folded detail is opened first.

    Fails where a part holds what NO_TEXT matches, in its text or in a name that a screen reader says.
    """
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found: dict[str, str] = {}
    for place, part in enumerate(page.locator(_PARTS).all()):
        if part.is_visible():
            name = part.get_attribute("id") or part.get_attribute("aria-label") or f"part {place}"
            found[name] = readable(part)
    return found


def readable(part: Locator) -> str:
    """The visible text of one part, which fails as `read_panels` does."""
    text = part.inner_text()
    said = part.evaluate(_SAID)
    wrong = sorted({f"…{each[max(0, at - 40) : at + 40]}…" for each in (text, said) for at in _places(each)})
    assert not wrong, f"a person reads {wrong}"
    return text


_SAID = """part => [part, ...part.querySelectorAll('*')]
    .flatMap((one) => ['aria-label', 'title', 'alt', 'placeholder', 'datetime'].map((name) => one.getAttribute(name)))
    .filter((text) => text !== null).join('\\n')"""


def _places(text: str) -> list[int]:
    return [match.start() for match in NO_TEXT.finditer(text)]
