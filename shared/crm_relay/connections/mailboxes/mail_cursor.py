"""Where the reading of a mailbox goes on: behind a change, or inside a listing that began after a cursor was lost."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

LONGEST_LOOK_BACK = timedelta(days=30)
MARGIN = timedelta(days=1)
"""A listing is by the vendor's clock, and by the day in some mailboxes."""

_CHANGES, _LISTING = "changes", "listing"


@dataclass(frozen=True)
class MailCursor:
    """`newest`: pinned before a listing begins, and read on from behind it. `since` None: no listing is under way.

    `label`: the place of the one that is being listed; `page` None: its first one.
    """

    newest: str
    since: datetime | None = None
    label: int = 0
    page: str | None = None

    @property
    def text(self) -> str:
        """As it is stored."""
        if self.since is None:
            return f"{_CHANGES}:{self.newest}"
        return f"{_LISTING}:{self.newest}:{int(self.since.timestamp())}:{self.label}:{self.page or ''}"

    @classmethod
    def parse(cls, text: str | None) -> "MailCursor | None":
        """None for nothing, and for text of another form.

        >>> MailCursor.parse("changes:12")
        MailCursor(newest='12', since=None, label=0, page=None)
        """
        kind, _, rest = (text or "").partition(":")
        if kind == _CHANGES and rest:
            return cls(rest)
        parts = rest.split(":", 3)
        if kind != _LISTING or len(parts) != 4 or not (parts[1].isdecimal() and parts[2].isdecimal()):
            return None
        return cls(parts[0], datetime.fromtimestamp(int(parts[1]), UTC), int(parts[2]), parts[3] or None)

    def after_page(self, next_page: str | None, labels: int) -> "MailCursor":
        """The next page, the next label, or the changes behind the pin."""
        if next_page is not None:
            return replace(self, page=next_page)
        if self.label + 1 < labels:
            return replace(self, label=self.label + 1, page=None)
        return MailCursor(self.newest)


def listing_since(read_at: datetime | None, connected_at: datetime, now: datetime) -> datetime:
    """From when on mail is listed: what came before the account was connected is nobody's business here."""
    begins = connected_at if read_at is None else max(connected_at, read_at - MARGIN)
    return max(begins, now - LONGEST_LOOK_BACK)
