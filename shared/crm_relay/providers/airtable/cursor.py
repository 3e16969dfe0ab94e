"""Where a read of a table goes on: opaque to everybody else, stored by the engine.

Times are Airtable's own, from the `Date` of its answers: whether a row changed since then is asked of the same clock.
"""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from crm_relay.platform.http.wire import moment_or_none
from crm_relay.providers.connectors.failures import CursorLost

OVERLAP = timedelta(seconds=90)
"""Read twice at the seam of two reads: the servers of Airtable need not agree on the second."""

_MOST_RESTARTS = 3


@dataclass(frozen=True)
class TableCursor:
    """`since` None: a complete pass. `began`: when its first page was answered. `offset`: Airtable's, of the next page.

    `mapping` stands for the fields that are read: with others, rows that did not change have something new to say.
    `types` and `modified_id` are what the schema said when it was last read: our name of a field -> its type, and the
    field that holds the time of the last change.
    """

    since: datetime | None = None
    began: datetime | None = None
    offset: str | None = None
    restarts: int = 0
    mapping: str = ""
    types: dict[str, str] = field(default_factory=dict)
    modified_id: str | None = None

    def restarted(self) -> "TableCursor":
        """The same read from its first page. Raises CursorLost for a complete pass, and after three restarts."""
        if self.since is None or self.restarts >= _MOST_RESTARTS:
            raise CursorLost("Airtable no longer knows the listing that was being read")
        return replace(self, began=None, offset=None, restarts=self.restarts + 1)

    def after(self) -> "TableCursor":
        """What follows the last page. Without a time of Airtable's the next read repeats this one's span."""
        since = self.since if self.began is None else self.began - OVERLAP
        return replace(self, since=since, began=None, offset=None, restarts=0)

    @property
    def formula(self) -> str | None:
        """Rows that somebody made or changed: a row that was never edited may have no time of a last change."""
        if self.since is None:
            return None
        moment = f"DATETIME_PARSE('{self.since.isoformat(timespec='milliseconds')}')"
        return f"OR(IS_AFTER(LAST_MODIFIED_TIME(), {moment}), IS_AFTER(CREATED_TIME(), {moment}))"

    def text(self) -> str:
        content = {
            "since": self.since and self.since.isoformat(),
            "began": self.began and self.began.isoformat(),
            "offset": self.offset,
            "restarts": self.restarts or None,
            "mapping": self.mapping or None,
            "types": self.types or None,
            "modified": self.modified_id,
        }
        return json.dumps({key: value for key, value in content.items() if value is not None}, separators=(",", ":"))


def read_cursor(text: str | None) -> TableCursor:
    """Raises CursorLost for one that is not ours."""
    if text is None:
        return TableCursor()
    try:
        content: dict[str, Any] = json.loads(text)
        types = content.get("types") or {}
        return TableCursor(
            moment_or_none(content.get("since")),
            moment_or_none(content.get("began")),
            content.get("offset"),
            int(content.get("restarts") or 0),
            str(content.get("mapping") or ""),
            {str(name): str(kind) for name, kind in types.items()},
            content.get("modified"),
        )
    except (ValueError, TypeError, AttributeError):
        raise CursorLost("the cursor of the table cannot be read") from None
