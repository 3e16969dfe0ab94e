"""The JSON forms in which Mautic shows one and the same contact; they differ between its answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from local.simulators.mautic.contact_fields import API_USER, SimulatedField
from local.simulators.mautic.state import MauticData, SimulatedContact, SimulatedDoNotContact, SimulatedSegment
from local.simulators.mautic.wire import Json, iso

# The order in which lists show the built-in fields (recorded: 35_contacts_list_page).
LIST_ORDER = [
    "points",
    "last_active",
    "title",
    "firstname",
    "lastname",
    "company",
    "position",
    "email",
    "phone",
    "mobile",
    "address1",
    "address2",
    "city",
    "state",
    "zipcode",
    "timezone",
    "country",
    "fax",
    "preferred_locale",
    "attribution_date",
    "attribution",
    "website",
]
CORE_ATTRIBUTES = LIST_ORDER[2:17]
IP_DETAILS = dict.fromkeys(
    ["city", "region", "zipcode", "country", "latitude", "longitude", "isp", "organization", "timezone", "extra"], ""
)
VISITOR = {"ipAddress": "127.0.0.1", "id": 2, "ipDetails": IP_DETAILS}


@dataclass
class ContactChange:
    """What a write did, because its answer mixes old and new values (recorded: 34_value_patch_bool_*)."""

    created: bool = False
    blanking: bool = False  # PUT or overwriteWithBlank
    batch: bool = False
    api_single_merge: bool = False
    sent: set[str] = field(default_factory=set)
    before: dict[str, Any] = field(default_factory=dict)  # only the fields that changed

    @property
    def changed(self) -> bool:
        return bool(self.before)


def _fields_of(mautic: MauticData, *, listed: bool) -> Iterable[SimulatedField]:
    if not listed:
        return mautic.fields.values()
    first = [mautic.fields[alias] for alias in LIST_ORDER if alias in mautic.fields]
    return [*first, *(item for item in mautic.fields.values() if item.alias not in LIST_ORDER)]


def _nothing(item: SimulatedField) -> Any:
    """What an answer shows for a field that a form has just blanked."""
    if item.type != "number":
        return ""
    return 0.0 if item.scale else 0


def normalized(item: SimulatedField, value: Any) -> Any:
    if value is None or value == "":
        return ""
    if item.type == "select":
        return item.choices.get(value, "")
    if item.type == "boolean":
        return item.properties.get("yes" if int(value) else "no", "")
    return value


def _stored(item: SimulatedField, contact: SimulatedContact, *, listed: bool) -> Any:
    value = contact.fields.get(item.alias)
    if item.alias == "points":
        return value or 0
    if item.type == "boolean" and value is not None and listed:
        return str(value)  # recorded: 35_contacts_list_page says "1", 31_contact_get says 1
    return value


def _pair(
    item: SimulatedField, contact: SimulatedContact, change: ContactChange | None, *, listed: bool
) -> tuple[Any, Any]:
    """(value inside its group, value under "all")."""
    value = _stored(item, contact, listed=listed)
    if change is None or listed:
        return value, value
    if value is None and change.blanking:
        shown = _nothing(item)
        return shown, (None if item.alias in change.before and shown == "" else shown)
    if item.type == "boolean" and value is not None:
        return _boolean_pair(item, value, change)
    if item.alias == "points" and change.created and not change.blanking:
        return None, 0
    return value, value


def _boolean_pair(item: SimulatedField, value: int, change: ContactChange) -> tuple[Any, Any]:
    """recorded: 34_value_patch_bool_false shows the old value in its group and the new one under "all"."""
    if item.alias in change.before:
        old = change.before[item.alias]
        return (bool(value) or None, bool(value)) if change.created else (old, bool(value))
    return (value, value) if item.alias in change.sent or change.api_single_merge else (bool(value), bool(value))


def field_groups(
    mautic: MauticData,
    contact: SimulatedContact,
    change: ContactChange | None = None,
    *,
    listed: bool = False,
    everything: bool = True,
) -> Json:
    created = bool(change and change.created)
    groups: Json = {"core": {}, "social": {}, "personal": [], "professional": []}
    flat: Json = {"id": str(contact.id) if contact.id in mautic.contacts else None}
    for item in _fields_of(mautic, listed=listed):
        inside, flat[item.alias] = _pair(item, contact, change, listed=listed)
        fixed = item.as_created if created else item.as_stored
        groups[item.group][item.alias] = {**fixed, "value": inside, "normalizedValue": normalized(item, inside)}
    if everything:
        groups["all"] = flat
    return groups


def emptied(mautic: MauticData, shown: Json, change: ContactChange) -> Json:
    """After overwriteWithBlank batch/edit shows nothing as null (recorded: 204_batch_edit_email_null_overwrite)."""
    for group in ("core", "social", "personal", "professional"):
        for alias, entry in dict(shown["fields"][group] or {}).items():
            if entry["value"] is None:
                nothing = _nothing(mautic.fields[alias])
                entry["value"] = entry["normalizedValue"] = nothing
                shown["fields"]["all"][alias] = None if alias in change.before and nothing == "" else nothing
    return shown


def suppression(entry: SimulatedDoNotContact) -> Json:
    shown: Json = {"id": entry.id, "reason": entry.reason, "comments": entry.comments}
    return {**shown, "channel": entry.channel, "channelId": entry.channel_id}


def head(contact: SimulatedContact, *, gone: bool = False) -> Json:
    return {
        "isPublished": True,
        "dateAdded": iso(contact.added),
        "dateModified": iso(contact.modified),
        "createdBy": None,
        "createdByUser": API_USER,
        "modifiedBy": None,
        "modifiedByUser": contact.modified_by,
        "id": None if gone else contact.id,
        "points": contact.fields.get("points") or 0,
        "color": None,
    }


def tail(mautic: MauticData, contact: SimulatedContact, *, created: bool = False) -> Json:
    return {
        "lastActive": iso(contact.last_active),
        "owner": None,
        "ipAddresses": [VISITOR] if contact.visited else [],
        "tags": [{"id": mautic.tags[tag], "tag": tag, "description": None} for tag in contact.tags],
        "utmtags": None if created else [],
        "stage": None,
        "dateIdentified": iso(contact.identified),
        "preferredProfileImage": None,
        "doNotContact": [suppression(entry) for entry in contact.suppressions.values()],
        "frequencyRules": [],
    }


def full(
    mautic: MauticData, contact: SimulatedContact, change: ContactChange | None = None, *, listed: bool = False
) -> Json:
    groups = field_groups(mautic, contact, change, listed=listed)
    gone = contact.id not in mautic.contacts
    created = bool(change and change.created)
    return {**head(contact, gone=gone), "fields": groups, **tail(mautic, contact, created=created)}


def minimal(mautic: MauticData, contact: SimulatedContact) -> Json:
    """recorded: 35_contacts_list_minimal"""
    return {**head(contact), "fields": field_groups(mautic, contact, listed=True)}


def in_event(mautic: MauticData, contact: SimulatedContact, *, created: bool = False, attributes: bool = False) -> Json:
    """Inside webhooks there is no "all"; membership events carry the built-in fields at the top as well."""
    change = ContactChange(created=True) if created else None
    groups = field_groups(mautic, contact, change, everything=False)
    named = {alias: contact.fields.get(alias) for alias in CORE_ATTRIBUTES} if attributes else {}
    gone = contact.id not in mautic.contacts
    rest = tail(mautic, contact, created=created)
    return {**head(contact, gone=gone), **named, "fields": groups, **rest}


def as_lead(mautic: MauticData, contact: SimulatedContact) -> Json:
    """The short form inside opens and page hits."""
    groups = field_groups(mautic, contact, everything=False)
    return {"id": contact.id, "points": contact.fields.get("points") or 0, "color": None, "fields": groups}


def flat(mautic: MauticData, contact: SimulatedContact) -> Json:
    """The form inside email_on_send, with the id as a string (recorded: 95_hook_email_on_send)."""
    values = {item.alias: _stored(item, contact, listed=False) for item in mautic.fields.values()}
    return {"id": str(contact.id), **values, "companies": []}


def after_suppression(mautic: MauticData, contact: SimulatedContact) -> Json:
    """The do-not-contact calls leave every null out (recorded: 70_dnc_add_manual)."""
    shown = in_event(mautic, contact, attributes=True)
    shown["doNotContact"] = [
        {
            "id": entry.id,
            "dateAdded": iso(entry.added),
            "reason": entry.reason,
            "comments": entry.comments,
            "channel": entry.channel,
            "channelId": entry.channel_id,
        }
        for entry in contact.suppressions.values()
    ]
    points = shown["fields"]["core"]["points"]
    points["value"] = points["normalizedValue"] = float(points["value"])
    cleaned: Json = without_nulls(shown)
    return cleaned


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def segment(item: SimulatedSegment) -> Json:
    return {
        "isPublished": item.published,
        "dateAdded": iso(item.added),
        "dateModified": iso(item.modified),
        "createdBy": None,
        "createdByUser": API_USER,
        "modifiedBy": None,
        "modifiedByUser": item.modified_by,
        "id": item.id,
        "name": item.name,
        "publicName": item.name,
        "alias": item.alias,
        "description": item.description,
        "category": None,
        "filters": item.filters,
        "isGlobal": True,
        "isPreferenceCenter": False,
    }
