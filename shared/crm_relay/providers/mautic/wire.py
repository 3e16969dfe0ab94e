"""The shapes of Mautic's REST answers, as recorded; what is not used is not read."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from crm_relay.platform.http.wire import Wire

Keyed = list[Any] | dict[str, Any]
"""Mautic sends a list where the keys run from 0 without a gap, else an object keyed by index."""


class TokenAnswer(Wire):
    """POST /oauth/v2/token; no refresh token comes with client credentials."""

    access_token: str
    expires_in: int = 3600


class MauticBatchAnswer(Wire):
    """POST batch/new (always 201) and PATCH or PUT batch/edit (200): what became of each item stands in statusCodes."""

    contacts: Keyed = Field(default_factory=list)
    status_codes: Keyed = Field(default_factory=list, alias="statusCodes")
    errors: Keyed | None = None


class ContactAnswer(Wire):
    """A single contact."""

    contact: dict[str, Any]


class ContactList(Wire):
    """GET /api/contacts: `total` is a string, an empty list is {} or []."""

    contacts: Keyed = Field(default_factory=dict)


class SegmentList(Wire):
    """GET /api/segments: an empty list is []."""

    lists: Keyed = Field(default_factory=dict)


class SegmentAnswer(Wire):
    """POST /api/segments/new."""

    list: dict[str, Any]


class MembershipAnswer(Wire):
    """POST /api/segments/{id}/contacts/add: the top says 1 even where a contact is unknown; the details tell."""

    details: Keyed = Field(default_factory=dict)


class ContactField(Wire):
    """A field of contacts (20_*, 22_*). The length limit is taken when a field is made and never shown again.

    `properties` is [] where there is none; what was sent as a number comes back as a string.
    """

    id: int
    alias: str
    type: str
    is_published: bool = Field(alias="isPublished")
    is_unique: bool = Field(alias="isUniqueIdentifier")
    properties: Any = None


class FieldList(Wire):
    """GET /api/fields/contact."""

    fields_: Keyed = Field(default_factory=dict, alias="fields")


class MauticSegment(Wire):
    """A segment (60_*, 61_*); filters fill it without anybody's call."""

    id: int
    name: str
    is_published: bool = Field(alias="isPublished")
    filters: Keyed = Field(default_factory=list)


class MauticHook(Wire):
    """A webhook (91_*, 92_*). `createdBy` is null for one that the API made, `dateModified` until somebody edits it."""

    id: int
    name: str
    description: str | None = None
    url: str = Field(alias="webhookUrl")
    secret: str | None = Field(default=None, repr=False)
    events_order: str | None = Field(default=None, alias="eventsOrderbyDir")
    category: Any = None
    triggers: Keyed = Field(default_factory=list)
    is_published: bool = Field(alias="isPublished")
    created_by: int | None = Field(default=None, alias="createdBy")
    modified_at: str | None = Field(default=None, alias="dateModified")


class HookList(Wire):
    """GET /api/hooks, in the order of the names."""

    hooks: Keyed = Field(default_factory=dict)


class HookAnswer(Wire):
    """One webhook, made or edited."""

    hook: MauticHook


class TriggerList(Wire):
    """GET /api/hooks/triggers: name -> label and description (90_*)."""

    triggers: dict[str, Any]


def in_order(keyed: Keyed) -> list[Any]:
    """The items of either form."""
    return list(keyed.values()) if isinstance(keyed, dict) else keyed


def by_index(keyed: Keyed | None) -> dict[int, Any]:
    """The same mapping for both forms."""
    if keyed is None:
        return {}
    return dict(enumerate(keyed)) if isinstance(keyed, list) else {int(key): value for key, value in keyed.items()}


def stored_fields(contact: Mapping[str, Any]) -> dict[str, Any]:
    """Alias -> value of a contact answer; one whose edit failed has no "all" (270_batch_edit_swap_addresses)."""
    fields = contact.get("fields")
    if not isinstance(fields, Mapping):
        return {}
    every = fields.get("all")
    if isinstance(every, Mapping):
        return dict(every)
    groups = [each for each in fields.values() if isinstance(each, Mapping)]
    return {alias: entry.get("value") for group in groups for alias, entry in group.items()}
