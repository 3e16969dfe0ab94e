"""How a Mautic is set up: fields, segments and webhooks, looked at and completed; nothing is deleted or retyped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crm_relay.platform.http.json_answer import parsed
from crm_relay.providers.mautic import wire
from crm_relay.providers.mautic.api import MauticApi
from crm_relay.providers.mautic.mapping import TEXT_LIMIT
from crm_relay.providers.mautic.vocabulary import HOOK_EVENTS

_PAGE = 100
_ROUND_HALF_UP = 4

HOOK_NAME = "CRM Relay"
HOOK_DESCRIPTION = "Opens, clicks, opt-outs and deletions for CRM Relay; kept by crm-relay mautic setup"


@dataclass(frozen=True)
class WantedField:
    """A contact field as the sync needs it; `choices` are those of a select, value -> label."""

    alias: str
    label: str
    kind: str
    unique: bool = False
    choices: Mapping[str, str] = field(default_factory=dict)
    scale: int = 0


@dataclass(frozen=True)
class PresentField:
    """A contact field as Mautic has it. How long a text may be is not among what Mautic shows."""

    field_id: int
    alias: str
    kind: str
    published: bool
    unique: bool
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def choices(self) -> list[dict[str, str]]:
        """Label and value of each choice of a select."""
        listed = wire.in_order(self.properties.get("list") or [])
        return [each if isinstance(each, dict) else {"label": str(each), "value": str(each)} for each in listed]

    @property
    def scale(self) -> int:
        """Digits behind the point; Mautic shows the number as text."""
        return int(self.properties.get("scale") or 0)


@dataclass(frozen=True)
class PresentSegment:
    """A segment as Mautic has it; one that has filters fills itself beside what the API adds."""

    segment_id: int
    name: str
    published: bool
    filtered: bool = False


@dataclass(frozen=True)
class WantedHook:
    """The webhook that brings engagement here."""

    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class PresentHook:
    """A webhook as Mautic has it. `owned` by a user of Mautic's; `edited` at least once since it was made."""

    hook_id: int
    name: str
    url: str
    triggers: frozenset[str]
    published: bool
    owned: bool
    edited: bool
    secret: str | None = field(default=None, repr=False)
    description: str | None = None
    events_order: str | None = None
    category_id: int | None = None


class MauticConfiguration:
    """What an administrator would set up by hand. Errors as in Api.call; FatalError where the API's user may not."""

    def __init__(self, api: MauticApi) -> None:
        self._api = api

    def fields(self) -> dict[str, PresentField]:
        """Alias -> field, of contacts."""
        pages = self._every("/api/fields/contact", wire.FieldList, "fields_")
        return {each.alias: _present_field(each) for each in map(wire.ContactField.model_validate, pages)}

    def create_field(self, wanted: WantedField) -> None:
        """Mautic refuses an alias that is taken. It answers 202 where it makes columns in the background, later."""
        body = {"label": wanted.label, "alias": wanted.alias, "type": wanted.kind, **_unique(wanted.unique)}
        if wanted.kind == "text":
            body["charLengthLimit"] = TEXT_LIMIT
        properties = _properties(wanted)
        self._api.call(
            "POST", "/api/fields/contact/new", json=body | ({"properties": properties} if properties else {})
        )

    def complete_field(self, present: PresentField, wanted: WantedField) -> None:
        """Publish it, make it unique, add choices and digits. Safe to call twice.

        Its kind and alias are fixed in Mautic's form once it exists, and a longer limit would not widen its column.
        https://github.com/mautic/mautic/blob/5.1.1/app/bundles/LeadBundle/Form/Type/FieldType.php
        """
        body: dict[str, object] = {"isPublished": True, **_unique(wanted.unique)}
        properties = {**_properties(wanted), **present.properties}
        if wanted.choices:
            # Sent whether something is missing or not: the form reads a select's list from every request.
            missing = wanted.choices.keys() - {each["value"] for each in present.choices}
            added = [each for each in _choices(wanted) if each["value"] in missing]
            properties["list"] = [*present.choices, *added]
        if wanted.scale > present.scale:
            properties["scale"] = wanted.scale
        self._api.call(
            "PATCH",
            f"/api/fields/contact/{present.field_id}/edit",
            json=body | ({"properties": properties} if properties else {}),
        )

    def segments(self) -> list[PresentSegment]:
        """All of them, the oldest first."""
        pages = map(wire.MauticSegment.model_validate, self._every("/api/segments", wire.SegmentList, "lists"))
        found = [PresentSegment(each.id, each.name, each.is_published, bool(each.filters)) for each in pages]
        return sorted(found, key=lambda each: each.segment_id)

    def publish_segment(self, segment_id: int) -> None:
        """An unpublished segment takes no members: 403 (66_add_to_unpublished_segment)."""
        self._api.call("PATCH", f"/api/segments/{segment_id}/edit", json={"isPublished": True})

    def hooks(self) -> list[PresentHook]:
        """All of them, the oldest first."""
        pages = map(wire.MauticHook.model_validate, self._every("/api/hooks", wire.HookList, "hooks"))
        return sorted(map(_present_hook, pages), key=lambda each: each.hook_id)

    def hook_events(self) -> frozenset[str]:
        """The events that this Mautic can send; it accepts any other name with 201 and never sends it."""
        answer = self._api.call("GET", "/api/hooks/triggers")
        return frozenset(parsed(wire.TriggerList, answer).triggers)

    def create_hook(self, wanted: WantedHook) -> None:
        """Made and edited once: one that was never edited is switched off after its first failed delivery.

        An edit counts only where something changes, hence the two descriptions.
        https://github.com/mautic/mautic/blob/5.1.1/app/bundles/CoreBundle/Model/FormModel.php
        """
        body = {"name": HOOK_NAME, "description": "being set up", "isPublished": True, **_delivery(wanted)}
        made = parsed(wire.HookAnswer, self._api.call("POST", "/api/hooks/new", json=body)).hook
        self._api.call("PATCH", f"/api/hooks/{made.id}/edit", json={"description": HOOK_DESCRIPTION})

    def correct_hook(self, present: PresentHook, wanted: WantedHook) -> None:
        """Published, with our address, secret and events. Safe to call twice.

        A PUT, because a PATCH only adds events, and with everything, because a PUT blanks what it does not name.
        https://github.com/mautic/mautic/blob/5.1.1/app/bundles/WebhookBundle/Controller/Api/WebhookApiController.php
        """
        description = present.description
        if not present.edited:
            description = f"{HOOK_DESCRIPTION}." if description == HOOK_DESCRIPTION else HOOK_DESCRIPTION
        body = {"name": present.name, "description": description, "isPublished": True, **_delivery(wanted)}
        kept = {"eventsOrderbyDir": present.events_order, "category": present.category_id}
        body |= {name: value for name, value in kept.items() if value is not None}
        self._api.call("PUT", f"/api/hooks/{present.hook_id}/edit", json=body)

    def publish_hook(self, hook_id: int) -> None:
        """Switch a webhook on again; a PATCH leaves its events and its secret as they are. Safe to call twice."""
        self._api.call("PATCH", f"/api/hooks/{hook_id}/edit", json={"isPublished": True})

    def _every(self, path: str, kind: type[Any], member: str) -> list[Any]:
        """The items of all pages, raw."""
        found: list[Any] = []
        while True:
            query = {"limit": str(_PAGE), "start": str(len(found))}
            page = wire.in_order(getattr(parsed(kind, self._api.call("GET", path, query=query)), member))
            found += page
            if len(page) < _PAGE:
                return found


def _present_field(shown: wire.ContactField) -> PresentField:
    properties = shown.properties if isinstance(shown.properties, Mapping) else {}
    return PresentField(shown.id, shown.alias, shown.type, shown.is_published, shown.is_unique, properties)


def _present_hook(shown: wire.MauticHook) -> PresentHook:
    return PresentHook(
        shown.id,
        shown.name,
        shown.url,
        frozenset(map(str, wire.in_order(shown.triggers))),
        shown.is_published,
        owned=shown.created_by is not None,
        edited=shown.modified_at is not None,
        secret=shown.secret,
        description=shown.description,
        events_order=shown.events_order,
        category_id=shown.category.get("id") if isinstance(shown.category, Mapping) else None,
    )


def _unique(unique: bool) -> dict[str, object]:
    # The misspelt name is Mautic's own; 5.1 takes either (21_field_unique_flag_spelled_*).
    return {"isUniqueIdentifer": True, "isUniqueIdentifier": True} if unique else {}


def _choices(wanted: WantedField) -> list[dict[str, str]]:
    return [{"label": label, "value": value} for value, label in wanted.choices.items()]


def _properties(wanted: WantedField) -> dict[str, object]:
    """As in the recordings 20_field_create_*."""
    if wanted.kind == "select":
        return {"list": _choices(wanted)}
    if wanted.kind == "number":
        return {"roundmode": _ROUND_HALF_UP, "scale": wanted.scale}
    return {"no": "No", "yes": "Yes"} if wanted.kind == "boolean" else {}


def _delivery(wanted: WantedHook) -> dict[str, object]:
    return {"webhookUrl": wanted.url, "secret": wanted.secret, "triggers": list(HOOK_EVENTS)}
