"""Mailchimp's Marketing API in verbs of ours: members of an audience, its fields, and batches of operations.

https://mailchimp.com/developer/marketing/api/. Nothing is repeated here; errors as in AuthorizedClient.send, refusals
as in refusals.py.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from crm_relay.platform.http.http_client import Answer
from crm_relay.platform.http.json_answer import parsed
from crm_relay.providers.connectors.access import Access
from crm_relay.providers.connectors.authorized_client import AuthorizedClient
from crm_relay.providers.mailchimp import wire
from crm_relay.providers.mailchimp.batches import BatchRunner, moment_of_header
from crm_relay.providers.mailchimp.data_center import DataCenter
from crm_relay.providers.mailchimp.refusals import refusal

LARGEST_PAGE = 1_000
LARGEST_SUBSCRIPTION = 500
_MEMBER_FIELDS = (
    "id",
    "contact_id",
    "email_address",
    "status",
    "unsubscribe_reason",
    "merge_fields",
    "last_changed",
    "tags",
)


@dataclass(frozen=True)
class MemberPage:
    """`answered_at`: Mailchimp's own time, None where the answer has no date."""

    members: Sequence[wire.MailchimpMember]
    answered_at: datetime | None


class MailchimpApi:
    """One account."""

    def __init__(self, center: DataCenter, access: Access) -> None:
        self.center = center
        self._access = access
        self._client: AuthorizedClient | None = None

    def root(self) -> wire.AccountRoot:
        """Whose account it is."""
        fields = {"fields": "account_id,account_name,email"}
        return parsed(wire.AccountRoot, self.client.send("GET", "/3.0/", query=fields))

    def audiences(self) -> list[wire.Audience]:
        """The first thousand."""
        query = {"count": str(LARGEST_PAGE), "fields": "lists.id,lists.name"}
        return parsed(wire.AudienceList, self.client.send("GET", "/3.0/lists", query=query)).lists

    def audience(self, list_id: str) -> "AudienceApi":
        """No request is made."""
        return AudienceApi(self, list_id)

    def runner(self) -> BatchRunner:
        """Of batches of this account, for one run."""
        return BatchRunner(self.client, self._access)

    @property
    def client(self) -> AuthorizedClient:
        """Made on first use, since the token may have to say where the API is."""
        if self._client is None:
            self._client = replace(self.center.client(), refusal=refusal)
        return self._client


class AudienceApi:
    """One audience."""

    def __init__(self, api: MailchimpApi, list_id: str) -> None:
        self._api = api
        self.path = f"/lists/{quote(list_id)}"

    def merge_fields(self) -> list[wire.MergeField]:
        """All of them: an audience has eighty at most."""
        query = {"count": str(LARGEST_PAGE), "exclude_fields": "_links,merge_fields._links"}
        answer = self._send("GET", "/merge-fields", query=query)
        return parsed(wire.MergeFieldList, answer).merge_fields

    def members(self, *, since: datetime | None, offset: int) -> MemberPage:
        """A page of a thousand, those that changed first before others; archived ones are among them."""
        query: dict[str, str] = {
            "count": str(LARGEST_PAGE),
            "offset": str(offset),
            "sort_field": "last_changed",
            "sort_dir": "ASC",
            "fields": ",".join(f"members.{each}" for each in _MEMBER_FIELDS),
        }
        if since is not None:
            query["since_last_changed"] = since.astimezone(UTC).isoformat(timespec="seconds")
        answer = self._send("GET", "/members", query=query)
        return MemberPage(parsed(wire.MemberList, answer).members, moment_of_header(answer.headers.get("date")))

    def subscribe(self, members: Sequence[Mapping[str, Any]]) -> wire.SubscribeAnswer:
        """At most five hundred new ones; of one that is there already nothing is changed."""
        body = {"members": [dict(each) for each in members], "update_existing": False, "sync_tags": False}
        query = {"skip_merge_validation": "true", "skip_duplicate_check": "false"}
        return parsed(wire.SubscribeAnswer, self._send("POST", "", query=query, json=body))

    def hooks(self) -> list[wire.AudienceHook]:
        """Its webhooks."""
        return parsed(wire.AudienceHookList, self._send("GET", "/webhooks")).webhooks

    def add_hook(self, url: str) -> wire.AudienceHook:
        """Mailchimp asks the address with a GET before it answers. What we write ourselves is not reported."""
        events = dict.fromkeys(("subscribe", "unsubscribe", "profile", "cleaned", "upemail"), True)
        sources = {"user": True, "admin": True, "api": False}
        body = {"url": url, "events": {**events, "campaign": False}, "sources": sources}
        return parsed(wire.AudienceHook, self._send("POST", "/webhooks", json=body))

    def member_path(self, member: str) -> str:
        """`member`: its contact_id, or the hash of its address."""
        return f"{self.path}/members/{quote(member)}"

    def _send(self, method: str, path: str, **more: Any) -> Answer:
        return self._api.client.send(method, f"/3.0{self.path}{path}", **more)


def subscriber_hash(address: str) -> str:
    """By which Mailchimp knows an address."""
    return hashlib.md5(address.strip().lower().encode(), usedforsecurity=False).hexdigest()
