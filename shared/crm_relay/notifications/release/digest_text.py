"""The text of a digest, written when it leaves: what is in it by then, at most 50 lines."""

import html as markup
from collections.abc import Sequence
from dataclasses import dataclass

from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.models import EmailContent
from crm_relay.providers.slack.message_text import escape
from crm_relay.rules.templates import one_line

MOST_LINES = 50
_LONGEST_MESSAGE = 240
_INTRODUCTIONS = {
    "throttled": "You got more than 30 notifications in an hour. The rest of them is in here.",
    "caught_up": "These were held up for a while, and come together.",
}


@dataclass(frozen=True)
class DigestLine:
    """One notification of a digest; `count`: how many events its group has."""

    title: str
    message: str
    action_url: str | None = None
    count: int = 1

    @property
    def heading(self) -> str:
        """Title, and how often."""
        return f"{one_line(self.title)} (×{self.count})" if self.count > 1 else one_line(self.title)

    @property
    def words(self) -> str:
        """Of the message, cut."""
        text = one_line(self.message)
        return text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 1].rstrip()}…"


@dataclass(frozen=True)
class DigestText:
    """What a digest says. `reason`: the word for which it was gathered."""

    lines: Sequence[DigestLine]
    reason: str | None
    links: LinkRules

    @property
    def subject(self) -> str:
        """How many, and the first one's title where it is alone."""
        return self.lines[0].heading[:200] if len(self.lines) == 1 else f"{len(self.lines)} notifications"

    def email(self) -> EmailContent:
        """Both parts."""
        introduction = _INTRODUCTIONS.get(self.reason or "")
        above = f"<p>{markup.escape(introduction)}</p>" if introduction else ""
        items = "".join(map(self._item, self._shown))
        below = f"<p>and {self._more} more</p>" if self._more else ""
        html = f"{above}<ul>{items}</ul>{below}"
        texts = [introduction, *map(self._paragraph, self._shown), f"and {self._more} more" if self._more else None]
        return EmailContent(self.subject, html, "\n\n".join(text for text in texts if text))

    def slack(self) -> str:
        """One message of mrkdwn, escaped."""
        lines = [f"*{escape(self.subject)}*", escape(_INTRODUCTIONS.get(self.reason or "", ""))]
        lines += [slack_line(line, self.links) for line in self._shown]
        return "\n".join(line for line in [*lines, f"and {self._more} more" if self._more else ""] if line)

    @property
    def _shown(self) -> Sequence[DigestLine]:
        return self.lines[:MOST_LINES]

    @property
    def _more(self) -> int:
        return len(self.lines) - len(self._shown)

    def _item(self, line: DigestLine) -> str:
        heading = f"<strong>{markup.escape(line.heading)}</strong>"
        if (url := outside_link(line.action_url, self.links)) is not None:
            heading = f'<a href="{markup.escape(url)}">{heading}</a>'
        return f"<li>{heading}<br>{markup.escape(line.words)}</li>"

    def _paragraph(self, line: DigestLine) -> str:
        parts = (
            f"- {line.heading}",
            f"  {line.words}" if line.words else "",
            outside_link(line.action_url, self.links),
        )
        return "\n".join(part if part.startswith(("-", " ")) else f"  {part}" for part in parts if part)


def outside_link(action_url: str | None, links: LinkRules) -> str | None:
    """For a reader outside the application; None where nobody said where the application is."""
    url = links.absolute(action_url) if action_url else ""
    return url if url.startswith(("https://", "http://")) else None


def slack_line(line: DigestLine, links: LinkRules) -> str:
    """Title and message of one notification, the title as a link."""
    heading, url = escape(line.heading), outside_link(line.action_url, links)
    shown = f"*{heading}*" if url is None else f"*<{escape(url)}|{heading.replace('|', '¦')}>*"
    return f"{shown}\n{escape(line.words)}" if line.words else shown
