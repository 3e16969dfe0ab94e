"""Contact fields: the ones every Mautic has, the ones our sync needs, and the API that creates them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from local.simulators.mautic.wire import (
    Json,
    MauticApiError,
    MauticRequest,
    MauticResponse,
    invalid,
    iso,
    not_found,
    php_serialize,
)

if TYPE_CHECKING:
    from local.simulators.mautic.state import MauticState

API_USER = "sync-lab [1]"
TYPE_NAMES = (
    "text textarea select multiselect number boolean date datetime time email tel url lookup region country timezone "
    "locale html"
)
TYPES = frozenset(TYPE_NAMES.split())


@dataclass
class Field:
    id: int
    alias: str
    label: str
    type: str
    group: str = "core"
    order: int = 0
    properties: Json = field(default_factory=dict)
    unique: bool = False
    fixed: bool = False
    short_visible: bool = True
    default: str | None = None
    limit: int = 64  # recorded: 34_value_long_firstname_65, 34_value_long_text; core fields have it as well
    added: datetime | None = None
    by_api: bool = False
    published: bool = True

    @cached_property
    def scale(self) -> int:
        return int(self.properties.get("scale") or 0)

    @cached_property
    def choices(self) -> dict[str, str]:
        return {item["value"]: item["label"] for item in self.properties.get("list", []) if isinstance(item, dict)}

    @cached_property
    def as_created(self) -> Json:
        """The part of a contact's field entry that does not change, as the answer to a creation has it."""
        named = {"id": self.id, "group": self.group, "label": self.label, "alias": self.alias, "type": self.type}
        return {**named, "properties": self.properties or []}

    @cached_property
    def as_stored(self) -> Json:
        """The same part as everything that was read from the database has it: strings, PHP-serialised."""
        named = {"id": str(self.id), "label": self.label, "alias": self.alias, "type": self.type, "group": self.group}
        flags = {"object": "lead", "is_fixed": str(int(self.fixed)), "properties": php_serialize(self.properties)}
        return {**named, **flags, "default_value": self.default}

    def view(self) -> Json:
        return {
            "isPublished": self.published,
            "dateAdded": iso(self.added),
            "dateModified": None,
            "createdBy": None,
            "createdByUser": API_USER if self.by_api else None,
            "modifiedBy": None,
            "modifiedByUser": None,
            "id": self.id,
            "label": self.label,
            "alias": self.alias,
            "type": self.type,
            "group": self.group,
            "order": self.order,
            "object": "lead",
            "defaultValue": self.default,
            "isRequired": False,
            "isFixed": self.fixed,
            "isListable": True,
            "isVisible": True,
            "isShortVisible": self.short_visible,
            "isUniqueIdentifier": self.unique,
            "isPubliclyUpdatable": False,
            "properties": self.properties,
        }


SHORT_VISIBLE = {"firstname", "lastname", "email"}
UNFIXED = {"fax", "website"}

# recorded: 22_fields_list_limit100 (ids 1 to 28 of a fresh installation)
CORE: list[tuple[str, str, str]] = [
    ("title", "Title", "lookup"),
    ("firstname", "First Name", "text"),
    ("lastname", "Last Name", "text"),
    ("company", "Primary company", "text"),
    ("position", "Position", "text"),
    ("email", "Email", "email"),
    ("mobile", "Mobile", "tel"),
    ("phone", "Phone", "tel"),
    ("points", "Points", "number"),
    ("fax", "Fax", "tel"),
    ("address1", "Address Line 1", "text"),
    ("address2", "Address Line 2", "text"),
    ("city", "City", "text"),
    ("state", "State", "region"),
    ("zipcode", "Zip Code", "text"),
    ("country", "Country", "country"),
    ("preferred_locale", "Preferred Locale", "locale"),
    ("timezone", "Preferred Timezone", "timezone"),
    ("last_active", "Date Last Active", "datetime"),
    ("attribution_date", "Attribution Date", "datetime"),
    ("attribution", "Attribution", "number"),
    ("website", "Website", "url"),
]
SOCIAL = ["facebook", "foursquare", "instagram", "linkedin", "skype", "twitter"]
CORE_PROPERTIES: dict[str, Json] = {
    "title": {"list": ["Mr", "Mrs", "Miss"]},
    "attribution": {"roundmode": 4, "scale": 2},
}
FIRST_CUSTOM_ID = 44

# The ten custom fields of the field map, typed as in the recordings 20_field_create_*.
SYNC_FIELDS: list[Json] = [
    {"label": "Supabase ID", "alias": "supabase_id", "type": "text", "isUniqueIdentifier": True},
    {
        "label": "Customer Segment",
        "alias": "customer_segment",
        "type": "select",
        "properties": {
            "list": [{"label": value.title(), "value": value} for value in ("vip", "regular", "new", "inactive")]
        },
    },
    {"label": "Lead Score", "alias": "lead_score", "type": "number"},
    {
        "label": "Total Orders",
        "alias": "total_orders",
        "type": "number",
        "properties": {"roundmode": "4", "scale": "0"},
    },
    {"label": "Total Spent", "alias": "total_spent", "type": "number", "properties": {"roundmode": "4", "scale": "2"}},
    {"label": "Last Order Date", "alias": "last_order_date", "type": "datetime"},
    {"label": "Last Event Name", "alias": "last_event_name", "type": "text"},
    {"label": "Preferred Venue", "alias": "preferred_venue", "type": "text"},
    {
        "label": "Marketing Opt In",
        "alias": "marketing_opt_in",
        "type": "boolean",
        "properties": {"no": "No", "yes": "Yes"},
    },
    {"label": "Customer Since", "alias": "customer_since", "type": "date"},
]


def core_fields() -> dict[str, Field]:
    made = [_core_field(number, *row) for number, row in enumerate(CORE, 1)]
    for number, alias in enumerate(SOCIAL, len(CORE) + 1):
        label = "mautic.lead.field.linkedin" if alias == "linkedin" else alias.title()
        made.append(Field(number, alias, label, "text", "social", number, short_visible=False))
    return {item.alias: item for item in made}


def _core_field(number: int, alias: str, label: str, kind: str) -> Field:
    return Field(
        number,
        alias,
        label,
        kind,
        order=number,
        properties=CORE_PROPERTIES.get(alias, {}),
        unique=alias == "email",
        fixed=alias not in UNFIXED,
        short_visible=alias in SHORT_VISIBLE,
        default="0" if alias == "points" else None,
    )


def create_field(mautic: MauticState, wanted: Json) -> Field:
    """Own fields go before the built-in ones, as in every recorded contact."""
    problems = _problems(mautic, wanted)
    if problems:
        raise invalid(problems)
    custom = [item for item in mautic.fields.values() if item.id >= FIRST_CUSTOM_ID]
    made = Field(
        id=mautic.next_id("field", FIRST_CUSTOM_ID),
        alias=_alias(wanted),
        label=str(wanted["label"]),
        type=str(wanted.get("type", "text")),
        order=len(custom) + 1,
        properties=_properties(wanted),
        # recorded: 21_field_unique_flag_spelled_Identifer and …_Identifier
        unique=bool(wanted.get("isUniqueIdentifer") or wanted.get("isUniqueIdentifier")),
        limit=int(wanted.get("charLengthLimit") or 64),
        added=mautic.now(),
        by_api=True,
    )
    core = [item for item in mautic.fields.values() if item.id < FIRST_CUSTOM_ID]
    mautic.fields = {item.alias: item for item in [*custom, made, *core]}
    return made


def _properties(wanted: Json) -> Json:
    """Numbers come back as strings (recorded: 20_field_create_total_spent)."""
    given = wanted.get("properties") or {}
    return {key: str(value) if isinstance(value, int) else value for key, value in given.items()}


def _alias(wanted: Json) -> str:
    """recorded: 21_field_long_alias_truncated"""
    return str(wanted.get("alias") or wanted["label"].lower().replace(" ", "_"))[:25]


def _problems(mautic: MauticState, wanted: Json) -> dict[str, str]:
    if not wanted.get("label"):
        return {"label": "A label is required."}
    if wanted.get("type", "text") not in TYPES:
        return {"type": "This value is not valid.", "charLengthLimit": "This value should not be blank."}
    if _alias(wanted) in mautic.fields:
        return {
            "alias": "Another field is already using this alias. "
            "Please choose another or leave blank to have it autogenerated."
        }
    return _limits(str(wanted.get("type", "text")), wanted, wanted.get("properties") or {})


def _limits(kind: str, wanted: Json, properties: Json) -> dict[str, str]:
    """recorded: 21_field_select_without_list, 21_field_char_limit_500"""
    if kind in {"select", "multiselect"} and not properties.get("list"):
        return {"list": "At least one list value is required."}
    if not 1 <= int(wanted.get("charLengthLimit", 64)) <= 255:
        return {"charLengthLimit": "This value should be between 1 and 255."}
    return {}


def post_field(mautic: MauticState, request: MauticRequest) -> MauticResponse:
    with mautic.lock:
        made = create_field(mautic, request.payload)
    return MauticResponse(201, {"field": made.view()}, {"Location": f"/api/fields/contact/{made.id}"})


def list_fields(mautic: MauticState, request: MauticRequest) -> MauticResponse:
    wanted = request.query.get("search", "").casefold()
    with mautic.lock:
        found = [f for f in mautic.fields.values() if wanted in f.alias.casefold() or wanted in f.label.casefold()]
    start, limit = int(request.query.get("start", 0)), int(request.query.get("limit", 30))
    page: Any = {str(item.id): item.view() for item in found[start : start + limit]}
    return MauticResponse(200, {"total": len(found), "fields": page or []})


def field_by_id(mautic: MauticState, number: int) -> Field:
    for item in mautic.fields.values():
        if item.id == number:
            return item
    raise not_found()


def get_field(mautic: MauticState, request: MauticRequest, number: int) -> MauticResponse:
    del request
    return MauticResponse(200, {"field": field_by_id(mautic, number).view()})


def patch_field(mautic: MauticState, request: MauticRequest, number: int) -> MauticResponse:
    """A field's type and alias are fixed, whatever is sent (src: FieldType of Mautic 5, disabled once it exists)."""
    item = field_by_id(mautic, number)
    wanted = request.payload
    if not isinstance(wanted, dict):
        raise MauticApiError(400, [{"code": 400, "message": "This is a bad request.", "details": []}])
    if problems := _limits(item.type, wanted, item.properties | (wanted.get("properties") or {})):
        raise invalid(problems)
    item.label = str(wanted.get("label", item.label))
    item.properties = _properties(wanted) if "properties" in wanted else item.properties
    item.limit = int(wanted.get("charLengthLimit", item.limit))
    item.unique = bool(wanted.get("isUniqueIdentifer", wanted.get("isUniqueIdentifier", item.unique)))
    item.published = bool(wanted.get("isPublished", item.published))
    for cached in ("scale", "choices", "as_created", "as_stored"):
        item.__dict__.pop(cached, None)
    mautic.reindex(item.alias)
    return MauticResponse(200, {"field": item.view()})


def delete_field(mautic: MauticState, request: MauticRequest, number: int) -> MauticResponse:
    del request
    item = field_by_id(mautic, number)
    with mautic.lock:
        for contact in mautic.contacts.values():
            mautic.set_value(contact, item.alias, None)
            contact.fields.pop(item.alias)
        mautic.fields.pop(item.alias)
    return MauticResponse(200, {"field": {**item.view(), "id": None}})
