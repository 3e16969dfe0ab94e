"""The shapes of Mautic's REST answers, as recorded; what is not used is not read."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Keyed = list[Any] | dict[str, Any]
"""Mautic sends a list where the keys run from 0 without a gap, else an object keyed by index."""


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class Token(_Wire):
    """POST /oauth/v2/token; no refresh token comes with client credentials."""

    access_token: str
    expires_in: int = 3600


class BatchAnswer(_Wire):
    """POST batch/new (always 201) and PATCH or PUT batch/edit (200): what became of each item stands in statusCodes."""

    contacts: Keyed = Field(default_factory=list)
    status_codes: Keyed = Field(default_factory=list, alias="statusCodes")
    errors: Keyed | None = None


class ContactAnswer(_Wire):
    """A single contact."""

    contact: dict[str, Any]


class ContactList(_Wire):
    """GET /api/contacts: `total` is a string, an empty list is {} or []."""

    contacts: Keyed = Field(default_factory=dict)


class SegmentList(_Wire):
    """GET /api/segments: an empty list is []."""

    lists: Keyed = Field(default_factory=dict)


class SegmentAnswer(_Wire):
    """POST /api/segments/new."""

    list: dict[str, Any]


class MembershipAnswer(_Wire):
    """POST /api/segments/{id}/contacts/add: the top says 1 even where a contact is unknown; the details tell."""

    details: Keyed = Field(default_factory=dict)


def by_index(keyed: Keyed | None) -> dict[int, Any]:
    """The same mapping for both forms."""
    if keyed is None:
        return {}
    return dict(enumerate(keyed)) if isinstance(keyed, list) else {int(key): value for key, value in keyed.items()}


def stored_fields(contact: Mapping[str, Any]) -> dict[str, Any]:
    """Alias -> value of a contact answer; empty where the item failed."""
    fields = contact.get("fields")
    every = fields.get("all") if isinstance(fields, Mapping) else None
    return dict(every) if isinstance(every, Mapping) else {}
