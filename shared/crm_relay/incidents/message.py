"""Turns alerts into few short messages, one a kind, workspace and direction; pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from crm_relay.incidents.models import PendingAlert

MOST_LISTED = 20
_LONGEST_LINE = 150
_PLURAL = re.compile(r"(?<=\w)\((e?s)\)")


@dataclass(frozen=True)
class AlertMessage:
    """What a channel sends: `title` is one line, `text` begins with it and stands for itself. Nothing is escaped."""

    title: str
    text: str


@dataclass(frozen=True)
class AlertGroup:
    """Alerts that go into one message; all are openings or all are recoveries, and the same channels lack them."""

    alerts: tuple[PendingAlert, ...]

    @property
    def is_opening(self) -> bool:
        """Else everything in it is over."""
        return self.alerts[0].closed_at is None

    @property
    def taken_by(self) -> frozenset[str]:
        """Channels that must not get it again."""
        return self.alerts[0].taken_by

    @property
    def opening_taken_by(self) -> frozenset[str] | None:
        """Channels that must not get the opening before this recovery; None: none of them is owed it."""
        return self.alerts[0].opening_taken_by

    def as_opening(self) -> "AlertGroup":
        """The same as it was when it opened."""
        return AlertGroup(tuple(replace(each, closed_at=None) for each in self.alerts))


def group_alerts(alerts: Iterable[PendingAlert]) -> list[AlertGroup]:
    """What was tried least comes first, so that one message that always fails never holds up the others."""
    groups: dict[tuple[object, ...], list[PendingAlert]] = {}
    for each in alerts:
        key = (each.kind, each.workspace_name, each.closed_at is None, each.taken_by, each.opening_taken_by)
        groups.setdefault(key, []).append(each)
    return sorted(map(_group, groups.values()), key=lambda group: (group.alerts[0].attempts, group.alerts[0].id))


def _group(alerts: Sequence[PendingAlert]) -> AlertGroup:
    return AlertGroup(tuple(sorted(alerts, key=lambda each: (each.attempts, each.id))))


def render(group: AlertGroup) -> AlertMessage:
    """`17 sender accounts disconnected in workspace Acme`, since when, and up to 20 subjects."""
    where = group.alerts[0].workspace_name
    title = _what(group.alerts) + (f" in workspace {_line(where)}" if where else "")
    title = title[0].upper() + title[1:] if group.is_opening else f"Recovered: {title}"
    return AlertMessage(title, "\n".join([title, _when(group), *_subjects(group.alerts)]))


def _what(alerts: Sequence[PendingAlert]) -> str:
    titles = {_line(each.title) for each in alerts}
    if len(titles) > 1:
        return f"{len(alerts)} incidents of {_line(alerts[0].kind.replace('_', ' '))}"
    (title,) = titles
    if len(alerts) == 1:
        return _singular(title)
    lowered = title[:1].lower() + title[1:]
    many = _PLURAL.sub(lambda found: found[1], lowered)
    return f"{len(alerts)} {many}" if many != lowered else f"{len(alerts)} x {lowered}"


def _singular(title: str) -> str:
    return _PLURAL.sub("", title)


def _when(group: AlertGroup) -> str:
    since = _minute(min(each.opened_at for each in group.alerts))
    ends = [each.closed_at for each in group.alerts if each.closed_at is not None]
    return f"since {since} UTC" if group.is_opening else f"from {since} to {_minute(max(ends))} UTC"


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def _subjects(alerts: Sequence[PendingAlert]) -> list[str]:
    """A title only where the headline could not say it."""
    differ = len({_line(each.title) for each in alerts}) > 1
    lines = sorted(_line(each.subject) + (f": {_singular(_line(each.title))}" if differ else "") for each in alerts)
    rest = [f"and {len(lines) - MOST_LISTED} more"] if len(lines) > MOST_LISTED else []
    return [f"• {line}" for line in lines[:MOST_LISTED]] + rest


def _line(text: str) -> str:
    """One line, whatever came from outside."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…"
