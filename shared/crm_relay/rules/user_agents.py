"""Which user agents are programs that open mails and follow links before a person does; pure.

Crawlers, link previews and HTTP libraries are those of the package crawler-user-agents (MIT), which has them with the
strings that they were seen in: https://github.com/monperrus/crawler-user-agents. What it lacks stands here.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from crm_relay.platform.first_use import on_first_use

GATEWAYS = (
    *("barracuda", "proofpoint", "mimecast", "symantec", "trendmicro", "forcepoint", "fireeye", "trellix", "zscaler"),
    *("ironport", "safelinks", "cloudmark", "messagelabs"),
)
"""How the names of mail gateways begin, in lower case."""

WORDS: Mapping[str, str] = {
    **dict.fromkeys(("bot", "crawler", "spider", "scraper"), "a crawler"),
    **dict.fromkeys(("headless", "phantomjs", "puppeteer", "playwright"), "a browser without a screen"),
}
"""Whole words, in lower case; a version or a sign may follow, a letter may not."""

# A name that ends in one of these and carries a version: NewBot/1.0. A phone's name (CUBOT X30) carries none.
_VERSIONED = re.compile(r"[a-z](?:bot|crawler|spider|preview)/v?\d")
_GATEWAY = re.compile(rf"(?<![a-z])(?:{'|'.join(GATEWAYS)})")
_WORD = re.compile(rf"(?<![a-z])(?P<word>{'|'.join(WORDS)})(?![a-z])")

IMAGE_PROXIES = {"googleimageproxy": "an image proxy", "yahoomailproxy": "an image proxy"}
"""Those that fetch pictures where a person opens the mail; none of them follows a link."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_LONGEST = 1000
_CHUNK = 50


@lru_cache(maxsize=4096)
def scanner_of(agent: str | None) -> str | None:
    """What follows links under this name; None: perhaps a person.

    >>> scanner_of("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)")
    'a known program: Slackbot'
    """
    name = (agent or "")[:_LONGEST]
    lowered = name.lower()
    if _GATEWAY.search(lowered):
        return "a mail gateway's link check"
    if (found := _WORD.search(lowered)) is not None:
        return WORDS[found["word"]]
    if _VERSIONED.search(lowered):
        return "a crawler"
    return _KNOWN.name_in(name) if name else None


def image_proxy_of(agent: str | None) -> str | None:
    """What fetches pictures under this name."""
    name = (agent or "").lower()
    return next((what for part, what in IMAGE_PROXIES.items() if part in name), None)


class _KnownPrograms:
    """The package's patterns, read when the first user agent has to be judged."""

    @on_first_use
    def _patterns(self) -> Sequence[tuple[re.Pattern[str], Sequence[str]]]:
        from crawleruseragents import CRAWLER_USER_AGENTS_DATA

        patterns = [str(entry["pattern"]) for entry in CRAWLER_USER_AGENTS_DATA]
        parts = [patterns[begin : begin + _CHUNK] for begin in range(0, len(patterns), _CHUNK)]
        return [(re.compile("|".join(f"(?:{each})" for each in part)), part) for part in parts]

    def name_in(self, agent: str) -> str | None:
        for together, patterns in self._patterns:
            if together.search(agent):
                pattern = next(each for each in patterns if re.search(each, agent))
                return f"a known program: {' '.join(_NAME.findall(pattern))}"
        return None


_KNOWN = _KnownPrograms()
