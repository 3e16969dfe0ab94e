"""Where a read of an audience goes on: opaque to everybody else, stored by the engine.

Members are read in the order of their last change and by its time, so that who changes meanwhile moves to the end
and nobody is passed over. Times are Mailchimp's own.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from crm_relay.platform.http.wire import moment_or_none
from crm_relay.providers.connectors.failures import CursorLost
from crm_relay.providers.mailchimp.client import LARGEST_PAGE, MemberPage

OVERLAP = timedelta(seconds=90)
"""Read twice at the seam of two reads: the servers of Mailchimp need not agree on the second."""

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class AudienceCursor:
    """`since` None: from the first member on. `began`: when the first page of this read was answered.

    `offset`: so many behind `since` are known, where a page and more changed in one second. `mapping` stands for the
    fields that are read; `center` and `mark` say where the API of which grant is.
    """

    since: datetime | None = None
    offset: int = 0
    began: datetime | None = None
    complete: bool = True
    mapping: str = ""
    center: str | None = None
    mark: str | None = None

    def behind(self, page: MemberPage) -> tuple["AudienceCursor", bool]:
        """What follows a page, and whether it was the last."""
        began = self.began or page.answered_at
        if len(page.members) < LARGEST_PAGE:
            since = self.since if began is None else began - OVERLAP
            return replace(self, since=since, offset=0, began=None, complete=False), True
        at = _latest(page)
        if at is not None and (self.since is None or at - _SECOND > self.since):
            return replace(self, since=at - _SECOND, offset=0, began=began), False
        return replace(self, offset=self.offset + len(page.members), began=began), False

    def text(self) -> str:
        content = {
            "since": self.since and self.since.isoformat(),
            "offset": self.offset or None,
            "began": self.began and self.began.isoformat(),
            "complete": self.complete or None,
            "mapping": self.mapping or None,
            "center": self.center,
            "mark": self.mark,
        }
        return json.dumps({key: value for key, value in content.items() if value is not None}, separators=(",", ":"))


def _latest(page: MemberPage) -> datetime | None:
    times: Sequence[datetime] = [each.last_changed for each in page.members if each.last_changed is not None]
    # The members of a page without a time cannot be passed by one.
    return times[-1] if len(times) == len(page.members) else None


def read_cursor(text: str | None) -> AudienceCursor:
    """Raises CursorLost for one that is not ours."""
    if text is None:
        return AudienceCursor()
    try:
        content: dict[str, Any] = json.loads(text)
        return AudienceCursor(
            moment_or_none(content.get("since")),
            int(content.get("offset") or 0),
            moment_or_none(content.get("began")),
            bool(content.get("complete")),
            str(content.get("mapping") or ""),
            content.get("center"),
            content.get("mark"),
        )
    except (ValueError, TypeError, AttributeError):
        raise CursorLost("the cursor of the audience cannot be read") from None
