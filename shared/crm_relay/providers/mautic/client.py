"""Mautic's REST API in verbs of ours: contacts in batches, segments, do-not-contact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crm_relay.platform.errors import ServerFailed
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.platform.http.json_answer import parsed
from crm_relay.providers.mautic import wire
from crm_relay.providers.mautic.api import MauticApi
from crm_relay.providers.mautic.configuration import MauticConfiguration
from crm_relay.providers.mautic.statistics.client import MauticStatistics
from crm_relay.providers.mautic.vocabulary import OUR_DNC_COMMENT

MAX_BATCH = 200
"""One item more and the whole request is answered 500."""

PAGE = 200
"""Contacts on one page of a listing; such an answer weighs up to 1.9 MB."""

Item = Mapping[str, object]


@dataclass(frozen=True)
class ItemResult:
    """What became of one item of a batch. `status` is Mautic's: 201 created, 200 found and changed, 404, 400, 422.

    `contact_id` is None where the item failed; `refused_fields` are the aliases that Mautic's error names; `stored` is
    the contact as Mautic shows it after the change (alias -> value; a number that is not set shows as 0), of an edit
    that failed as it was before. `dnc_reason` and `dnc_is_ours` are as in RemoteContact.
    """

    status: int
    contact_id: int | None
    refused_fields: tuple[str, ...] = ()
    stored: Mapping[str, Any] = field(default_factory=dict)
    dnc_reason: int | None = None
    dnc_is_ours: bool = False


@dataclass(frozen=True)
class RemoteContact:
    """A contact as Mautic has it. `dnc_reason` is that of the e-mail channel, `dnc_is_ours` whether we gave it."""

    contact_id: int
    fields: Mapping[str, Any]
    dnc_reason: int | None
    dnc_is_ours: bool


class Mautic:
    """One Mautic installation. Errors as in HttpClient.send, except that a 401 renews the token once."""

    def __init__(self, http: HttpClient, client_id: str, client_secret: str) -> None:
        self._api = MauticApi(http, client_id, client_secret)
        self.configuration = MauticConfiguration(self._api)
        self.statistics = MauticStatistics(self._api)

    @property
    def requests_sent(self) -> int:
        """Requests since this client was made, token requests included."""
        return self._api.requests_sent

    def create_contacts(self, items: Sequence[Item]) -> list[ItemResult]:
        """At most 200 contacts in one request. One that exists by e-mail or supabase_id is merged into (status 200).

        Never send two items with one address: the second would merge into the first.
        """
        answer = self._batch("POST", "/api/contacts/batch/new", items)
        return _item_results(answer, items)

    def edit_contacts(self, items: Sequence[Item]) -> list[ItemResult]:
        """At most 200 contacts by `id`. None clears a field; what an item does not name stays.

        Raises ValueError where one id stands twice: Mautic would make a duplicate contact of the second.
        """
        if len({item["id"] for item in items}) != len(items):
            raise ValueError("one contact twice in a batch")
        # Never PUT here: it blanks every field that is not sent and creates what it does not find.
        answer = self._batch(
            "PATCH", "/api/contacts/batch/edit", [{**item, "overwriteWithBlank": True} for item in items]
        )
        return _item_results(answer, items)

    def contact(self, contact_id: int) -> RemoteContact | None:
        """The contact as Mautic has it now; None where there is no such contact."""
        answer = self._api.call("GET", f"/api/contacts/{contact_id}", accept=frozenset({404}))
        return None if answer.status == 404 else _remote_contact(parsed(wire.ContactAnswer, answer).contact)

    def contacts_from(self, start: int, *, search: str | None = None) -> list[RemoteContact]:
        """One page of contacts in id order, behind the first `start` ones; empty past the end.

        Without an order Mautic pages by last activity, and contacts move between pages while people open mails. A page
        of a `search` carries no do-not-contact.
        """
        query = {"limit": str(PAGE), "start": str(start), "orderBy": "id", "orderByDir": "asc"}
        query |= {"search": search, "minimal": "1"} if search else {}
        found = parsed(wire.ContactList, self._api.call("GET", "/api/contacts", query=query)).contacts
        return [_remote_contact(each) for each in (found.values() if isinstance(found, dict) else found)]

    def find_contact(self, supabase_id: str) -> int | None:
        """The id of the contact that carries `supabase_id`."""
        answer = self._api.call(
            "GET", "/api/contacts", query={"search": f"supabase_id:{supabase_id}", "limit": "1", "minimal": "1"}
        )
        found = parsed(wire.ContactList, answer).contacts
        contacts = list(found.values() if isinstance(found, dict) else found)
        return int(contacts[0]["id"]) if contacts else None

    def find_contacts(self, alias: str, value: str) -> list[RemoteContact]:
        """At most 30 contacts with `value` in one field; Mautic compares loosely, so the caller has to look again."""
        query = {"where[0][col]": alias, "where[0][expr]": "eq", "where[0][val]": value, "limit": "30"}
        found = parsed(wire.ContactList, self._api.call("GET", "/api/contacts", query=query)).contacts
        return [_remote_contact(each) for each in (found.values() if isinstance(found, dict) else found)]

    def write_below_one(self, contact_id: int, numbers: Mapping[str, float]) -> bool:
        """Write numbers between -1 and 1, which only a PUT does: everything else is read first and sent along.

        False where the contact is gone.
        """
        present = self.contact(contact_id)
        if present is None:
            return False
        kept = {
            alias: value for alias, value in present.fields.items() if alias not in _NOT_WRITABLE and value is not None
        }
        self._api.call("PUT", f"/api/contacts/{contact_id}/edit", json={**kept, **numbers})
        return True

    def segments(self) -> dict[str, int]:
        """Name -> id of all segments; of several with one name the oldest."""
        return {name: int(each["id"]) for name, each in self._segments().items()}

    def segment_aliases(self) -> dict[str, str]:
        """Name -> alias, by which a search names a segment."""
        return {name: str(each["alias"]) for name, each in self._segments().items()}

    def answers(self) -> None:
        """The smallest question there is. Raises what Mautic's state deserves."""
        self._api.call("GET", "/api/segments", query={"limit": "1"})

    def create_segment(self, name: str, alias: str) -> int:
        """Its id. Mautic takes a second one of the same name: look first."""
        answer = self._api.call("POST", "/api/segments/new", json={"name": name, "alias": alias, "isPublished": True})
        return int(parsed(wire.SegmentAnswer, answer).list["id"])

    def contact_segments(self, contact_id: int) -> set[int]:
        """Ids of the segments that a contact is a member of; empty where the contact is gone."""
        answer = self._api.call("GET", f"/api/contacts/{contact_id}/segments", accept=frozenset({404}))
        if answer.status == 404:
            return set()
        found = parsed(wire.SegmentList, answer).lists
        return {int(each["id"]) for each in (found.values() if isinstance(found, dict) else found)}

    def add_to_segment(self, segment_id: int, contact_ids: Sequence[int]) -> set[int]:
        """Members after this, in one request; returns the ids that Mautic does not know. Safe to call twice."""
        answer = self._api.call("POST", f"/api/segments/{segment_id}/contacts/add", json={"ids": list(contact_ids)})
        details = parsed(wire.MembershipAnswer, answer).details
        entries = details.items() if isinstance(details, dict) else ()
        return {int(key) for key, each in entries if not each.get("success")}

    def remove_from_segment(self, segment_id: int, contact_id: int) -> None:
        """No member after this; there is no bulk form. Safe to call twice, and for what does not exist."""
        path = f"/api/segments/{segment_id}/contact/{contact_id}/remove"
        self._api.call("POST", path, accept=frozenset({404}))

    def add_do_not_contact(self, contact_id: int, reason: int) -> None:
        """Mute one contact at once; 1 unsubscribed, 2 bounced, 3 manual; the comment marks it as ours."""
        body = {"reason": reason, "comments": OUR_DNC_COMMENT}
        self._api.call("POST", f"/api/contacts/{contact_id}/dnc/email/add", json=body)

    def clear_do_not_contact(self, contact_id: int) -> None:
        """Make a contact mailable again, no matter who muted it: only after a recorded re-consent."""
        self._api.call("POST", f"/api/contacts/{contact_id}/dnc/email/remove", accept=frozenset({404}))

    def delete_contacts(self, contact_ids: Sequence[int]) -> None:
        """Gone for good; ids that do not exist are skipped there. The ids have to stand in the query string."""
        self._api.call("DELETE", "/api/contacts/batch/delete", query={"ids": ",".join(map(str, contact_ids))})

    def _segments(self) -> dict[str, Mapping[str, Any]]:
        answer = self._api.call("GET", "/api/segments", query={"limit": "1000"})
        found = parsed(wire.SegmentList, answer).lists
        listed = list(found.values() if isinstance(found, dict) else found)
        return {str(each["name"]): each for each in sorted(listed, key=lambda each: -int(each["id"]))}

    def _batch(self, method: str, path: str, items: Sequence[Item]) -> wire.MauticBatchAnswer:
        if not 0 < len(items) <= MAX_BATCH:
            raise ValueError(f"a batch holds 1 to {MAX_BATCH} items")
        # A bare array: wrapped in an object, Mautic would answer 201 and make one empty contact.
        answer: wire.MauticBatchAnswer = parsed(wire.MauticBatchAnswer, self._api.call(method, path, json=list(items)))
        return answer


# Read with the contact, but not a field of its own or not to be written by anyone but Mautic.
_NOT_WRITABLE = frozenset({"id", "points", "last_active", "attribution", "attribution_date"})


def do_not_contact(reason: int) -> list[dict[str, object]]:
    """The `doNotContact` member of a batch item: 1 unsubscribed, 2 bounced, 3 manual; the comment marks it as ours."""
    return [{"channel": "email", "reason": reason, "comments": OUR_DNC_COMMENT}]


def no_do_not_contact() -> list[dict[str, object]]:
    """The same, to lift it (273_batch_edit_dnc_reason_0)."""
    return [{"channel": "email", "reason": 0}]


def _remote_contact(contact: Mapping[str, Any]) -> RemoteContact:
    return RemoteContact(int(contact["id"]), wire.stored_fields(contact), *_suppression(contact))


def _suppression(contact: Mapping[str, Any]) -> tuple[int | None, bool]:
    """Reason of the e-mail channel, and whether we gave it."""
    entries = [each for each in contact.get("doNotContact") or [] if each.get("channel") == "email"]
    is_ours = any(str(each.get("comments") or "").startswith(OUR_DNC_COMMENT) for each in entries)
    return (int(entries[0]["reason"]) if entries else None), is_ours


def _item_results(answer: wire.MauticBatchAnswer, items: Sequence[Item]) -> list[ItemResult]:
    contacts, statuses, errors = (wire.by_index(part) for part in (answer.contacts, answer.status_codes, answer.errors))
    if len(statuses) != len(items):
        # Nothing can be told apart then, and part of it may stand.
        raise ServerFailed(f"{len(statuses)} status codes for {len(items)} items")
    return [
        _item_result(item, statuses[index], contacts.get(index), errors.get(index)) for index, item in enumerate(items)
    ]


def _item_result(item: Item, status: object, contact: object, error: object) -> ItemResult:
    if status not in {200, 201} or not isinstance(contact, Mapping):
        details = error.get("details") if isinstance(error, Mapping) else None
        refused = tuple(map(str, details)) if isinstance(details, Mapping) else ()
        shown = contact if isinstance(contact, Mapping) else {}
        code = int(status) if isinstance(status, int) else 0
        return ItemResult(code, None, refused, wire.stored_fields(shown), *_suppression(shown))
    found, stored = int(contact["id"]), wire.stored_fields(contact)
    wanted = item.get("supabase_id")
    if found != item.get("id", found) or (wanted is not None and stored.get("supabase_id") not in {wanted, None}):
        raise ServerFailed("a batch answer does not belong to the items that were sent")
    return ItemResult(status, found, (), stored, *_suppression(contact))
