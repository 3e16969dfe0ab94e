"""Finds mails of a batch among those that the account has sent, where the answer to the batch was lost.

The list (https://resend.com/docs/api-reference/emails/list-emails) names recipient, subject and time. Whether a mail is
really ours is in its own answer: our tag, or the link that unsubscribes, which no other mail has. The subject decides
nothing, since a server on the way may write it in another way.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from crm_relay.platform.errors import ServerFailed
from crm_relay.providers.resend import wire
from crm_relay.providers.resend.api import ResendApi

_PAGE = 100
_MOST_PAGES = 60
# Its clock and ours.
_CLOCKS_MAY_DIFFER = timedelta(minutes=15)
_TOKEN = re.compile(r"/unsubscribe/([A-Za-z0-9_-]{16,})")


@dataclass(frozen=True)
class _Sought:
    """One mail of the batch: what the list shows of it, and by what its own page is known."""

    recipient: str
    tag: str | None
    token: str | None

    def is_it(self, found: wire.SentEmail) -> bool:
        if self.tag is not None and found.tags.get("send") is not None:
            return found.tags["send"] == self.tag
        if not found.html and not found.text:
            raise ServerFailed("Resend shows a sent mail without tags and without its text")
        return self.token is not None and self.token in f"{found.html or ''} {found.text or ''}"


def find_sent(api: ResendApi, payload: bytes, since: datetime, get: Callable[[str], str]) -> list[str | None]:
    """The id of each mail of the batch, None for one that Resend does not have. Errors as in HttpClient.send."""
    sought = [_sought(mail) for mail in json.loads(payload)]
    ids: list[str | None] = [None] * len(sought)
    places: dict[str, list[int]] = defaultdict(list)
    for place, each in enumerate(sought):
        places[each.recipient].append(place)
    for listed in _since(api, since - _CLOCKS_MAY_DIFFER):
        candidates = [place for place in _places(places, listed) if ids[place] is None]
        if not candidates:
            continue
        found = api.call(wire.SentEmail, "GET", f"/emails/{get(listed.id)}")
        match = next((place for place in candidates if found is not None and sought[place].is_it(found)), None)
        if match is not None:
            ids[match] = listed.id
    return ids


def _places(places: dict[str, list[int]], listed: wire.ListedEmail) -> Sequence[int]:
    return [place for to in listed.to for place in places.get(to.lower(), ())]


def _since(api: ResendApi, earliest: datetime) -> Iterator[wire.ListedEmail]:
    """Newest first. ServerFailed where there are too many to read."""
    query = {"limit": str(_PAGE)}
    for _ in range(_MOST_PAGES):
        page = api.call(wire.SentEmailList, "GET", "/emails", query=query)
        if page is None:
            raise ServerFailed("Resend does not know /emails")
        for listed in page.data:
            if listed.created_at is not None and listed.created_at < earliest:
                return
            yield listed
        if not page.has_more or not page.data:
            return
        query = {"limit": str(_PAGE), "after": page.data[-1].id}
    raise ServerFailed("Resend has sent too many mails since to look through")


def _sought(mail: dict[str, Any]) -> _Sought:
    tag = next((each.get("value") for each in mail.get("tags") or [] if each.get("name") == "send"), None)
    token = _TOKEN.search(str((mail.get("headers") or {}).get("List-Unsubscribe", "")))
    recipient = wire.address_or_none(next(iter(wire.one_or_many(mail.get("to"))), None)) or ""
    return _Sought(recipient.lower(), tag, token[1] if token else None)
