"""GET /api/stats/{table} for two tables: documented and read in the source, **not recorded**.

https://devdocs.mautic.org/en/latest/rest_api/stats.html and CommonRepository::getRows of Mautic 5 to 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from local.simulators.mautic.contacts.search import COMPARISONS
from local.simulators.mautic.mail import tracking
from local.simulators.mautic.state import MauticData, SimulatedHit, SimulatedSending
from local.simulators.mautic.wire import Json, MauticRequest, MauticResponse, php_serialize

DENIED = "You do not have the view permission to load data from the lead table"


def list_rows(mautic: MauticData, request: MauticRequest, table: str) -> MauticResponse:
    """Whatever is wrong is answered 200: `errors` where it is forbidden, the tables where there is no such table."""
    if table not in TABLES:
        return MauticResponse(200, {"availableTables": sorted(TABLES), "tableColumns": {}})
    if not mautic.shows_statistics:
        return MauticResponse(200, {"errors": [{"message": DENIED, "code": 0}]})
    query = request.query
    with mautic.lock:
        found = [row for row in TABLES[table](mautic) if all(test(row) for test in _conditions(query))]
    found.sort(key=lambda row: int(row[query.get("order[0][col]", "id")]), reverse=query.get("order[0][dir]") == "desc")
    start, limit = int(query.get("start") or 0), int(query.get("limit") or 100)
    return MauticResponse(200, {"total": str(len(found)), "stats": found[start : start + limit]})


def _conditions(query: dict[str, str]) -> list[Callable[[Json], bool]]:
    numbers = sorted({found.group(1) for key in query if (found := re.fullmatch(r"where\[(\d+)\]\[col\]", key))})
    return [
        _condition(*(query.get(f"where[{number}][{part}]", "") for part in ("col", "expr", "val")))
        for number in numbers
    ]


def _condition(column: str, expression: str, value: str) -> Callable[[Json], bool]:
    """An expression that does not exist is left out without a word."""
    compare = COMPARISONS.get(expression, _anything)
    return lambda row: compare(row[column], value)


def _anything(_held: Any, _value: str) -> bool:
    return True


def _sendings(mautic: MauticData) -> list[Json]:
    return [_sending(mautic, sending) for sending in mautic.sendings.values()]


def _sending(mautic: MauticData, sending: SimulatedSending) -> Json:
    details = [{"datetime": _stored(at), "useragent": tracking.AGENT, "inBrowser": 0} for at in sending.opened_at]
    return {
        "id": str(sending.id),
        "email_id": str(sending.email_id),
        "lead_id": _lead(mautic, sending.contact_id),
        "list_id": None,
        "ip_id": None,
        "email_address": sending.address,
        "date_sent": _stored(sending.sent),
        "is_read": str(int(sending.opens > 0)),
        "is_failed": "0",
        "viewed_in_browser": "0",
        "date_read": _stored(sending.first_open),
        "tracking_hash": sending.hash,
        "retry_count": "0",
        "source": "api",
        "source_id": "0",
        "open_count": str(sending.opens),
        "last_opened": _stored(sending.last_open),
        "open_details": php_serialize(details),
    }


def _hits(mautic: MauticData) -> list[Json]:
    return [_hit(mautic, hit) for hit in mautic.hits]


def _hit(mautic: MauticData, hit: SimulatedHit) -> Json:
    return {
        "id": str(hit.id),
        "email_id": None if hit.email_id is None else str(hit.email_id),
        "lead_id": _lead(mautic, hit.contact_id),
        "date_hit": _stored(hit.at),
        "url": hit.url,
        "user_agent": tracking.AGENT,
        "source": "email" if hit.email_id else None,
        "source_id": None if hit.email_id is None else str(hit.email_id),
        "code": "200",
    }


def _lead(mautic: MauticData, contact_id: int) -> str | None:
    """The foreign key is emptied where the contact is deleted; a merge moves it to the winner."""
    return str(contact_id) if contact_id in mautic.contacts else None


def _stored(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


TABLES: dict[str, Callable[[MauticData], list[Any]]] = {"email_stats": _sendings, "page_hits": _hits}
