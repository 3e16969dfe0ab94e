"""Contact fields: those that every Mautic has, and those that our sync needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from local.simulators.mautic.wire import Json, iso, php_serialize

API_USER = "sync-lab [1]"


@dataclass
class SimulatedField:
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
    listable: bool = True
    publicly_updatable: bool = False
    modified: datetime | None = None
    modified_by: str | None = None

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
            "dateModified": iso(self.modified),
            "createdBy": None,
            "createdByUser": API_USER if self.by_api else None,
            "modifiedBy": None,
            "modifiedByUser": self.modified_by,
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
            "isListable": self.listable,
            "isVisible": True,
            "isShortVisible": self.short_visible,
            "isUniqueIdentifier": self.unique,
            "isPubliclyUpdatable": self.publicly_updatable,
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


def core_fields() -> dict[str, SimulatedField]:
    made = [_core_field(number, *row) for number, row in enumerate(CORE, 1)]
    for number, alias in enumerate(SOCIAL, len(CORE) + 1):
        label = "mautic.lead.field.linkedin" if alias == "linkedin" else alias.title()
        made.append(SimulatedField(number, alias, label, "text", "social", number, short_visible=False))
    return {item.alias: item for item in made}


def _core_field(number: int, alias: str, label: str, kind: str) -> SimulatedField:
    return SimulatedField(
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
