"""Opens and clicks that Mautic has in its own tables, for a time in which its webhook brought none."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from crm_relay.platform.errors import FatalError, ServerFailed
from crm_relay.platform.http.json_answer import parsed
from crm_relay.providers.mautic.api import MauticApi
from crm_relay.providers.mautic.events import MauticEvent
from crm_relay.providers.mautic.statistics import mapping, wire
from crm_relay.providers.mautic.statistics.wire import HitRow, MailRow, SendingRow
from crm_relay.providers.mautic.wire_webhook import MauticEmail

PAGE = 500
"""Rows of one answer."""

_MOST_NAMES = 20
"""Names of mails that are asked for on one page; further ones go without."""

R = TypeVar("R", bound=MailRow)


@dataclass(frozen=True)
class EventPage:
    """Events of one page; `after` is where the next one begins, None at the end."""

    events: tuple[MauticEvent, ...]
    after: int | None
    unreadable: int = 0


class MauticStatistics:
    """Errors as in Api.call; FatalError where Mautic shows nothing of a table to the API's user."""

    def __init__(self, api: MauticApi) -> None:
        self._api = api
        self._mails: dict[int | None, MauticEmail] = {}

    def opens(self, since: datetime, after: int) -> EventPage:
        """Opens from `since` on, of a page of mails behind id `after`; one request, and one a new mail's name."""
        rows = self._rows("email_stats", "last_opened", since, after)
        return self._page(rows, after, SendingRow, lambda row, mail: mapping.opens(row, mail, since))

    def clicks(self, since: datetime, after: int) -> EventPage:
        """The same of clicks. The oldest hits have the lowest ids."""
        rows = self._rows("page_hits", "date_hit", since, after, ("email_id", "isNotNull", ""))
        return self._page(rows, after, HitRow, lambda row, mail: mapping.clicks(row, mail, since))

    def _rows(
        self, table: str, column: str, since: datetime, after: int, *more: tuple[str, str, str]
    ) -> list[dict[str, Any]]:
        conditions = [
            ("id", "gt", str(after)),
            (column, "gte", since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")),
            *more,
        ]
        query = {
            f"where[{number}][{part}]": text
            for number, condition in enumerate(conditions)
            for part, text in zip(("col", "expr", "val"), condition, strict=True)
        }
        query |= {"order[0][col]": "id", "order[0][dir]": "asc", "start": "0", "limit": str(PAGE)}
        answer = self._api.call("GET", f"/api/stats/{table}", query=query, accept=frozenset({404}))
        rows: list[dict[str, Any]] | None = parsed(wire.Statistics, answer).stats
        if rows is None:
            raise FatalError(
                f"Mautic shows nothing of its table {table}; may the API's user view everybody's contacts?"
            )
        return rows

    def _page(
        self,
        rows: Sequence[dict[str, Any]],
        after: int,
        kind: type[R],
        read: Callable[[R, MauticEmail], list[MauticEvent]],
    ) -> EventPage:
        readable = list(_readable(rows, kind))
        names = self._names({row.email_id for row in readable if row.email_id is not None})
        events = [event for row in readable for event in read(row, names.get(row.email_id, MauticEmail()))]
        # Not by the length of the page: nobody says that Mautic gives as many as it is asked for.
        return EventPage(tuple(events), _last_id(rows, after) if rows else None, len(rows) - len(readable))

    def _names(self, email_ids: set[int]) -> dict[int | None, MauticEmail]:
        for email_id in sorted(email_ids - self._mails.keys())[:_MOST_NAMES]:
            answer = self._api.call("GET", f"/api/emails/{email_id}", accept=frozenset({403, 404}))
            known = answer.status == 200
            shown = parsed(wire.MailAnswer, answer).email if known else {}
            self._mails[email_id] = MauticEmail(name=shown.get("name"), subject=shown.get("subject"))
        return self._mails


def _readable(rows: Sequence[dict[str, Any]], kind: type[R]) -> Iterator[R]:
    for row in rows:
        try:
            yield kind.model_validate(row)
        except ValidationError:
            continue


def _last_id(rows: Sequence[dict[str, Any]], after: int) -> int:
    try:
        last = int(rows[-1]["id"])
    except (KeyError, TypeError, ValueError):
        raise ServerFailed("a row of Mautic's statistics has no id") from None
    if last <= after:
        # Mautic leaves out a condition that it does not understand, without a word.
        raise ServerFailed("Mautic's statistics do not go on where they were asked to")
    return last
