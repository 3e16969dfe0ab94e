"""Which column of ours is which field of Mautic's, and which segment of ours is which segment there."""

from crm_relay.customers.models import Customer
from crm_relay.providers.mautic.configuration import WantedField
from crm_relay.providers.mautic.mapping import MappedContact, address_to_write, write_fields

FIELDS: dict[str, str] = {
    "email": "email",
    "firstname": "first_name",
    "lastname": "last_name",
    "mobile": "mobile",
    "phone": "landline",
    "address1": "address_line1",
    "address2": "address_line2",
    "city": "suburb",
    "state": "state",
    "zipcode": "postcode",
    "country": "country",
    "supabase_id": "customer_id",
    "customer_segment": "customer_segment",
    "lead_score": "lead_score",
    "total_orders": "total_orders",
    "total_spent": "total_spent",
    "last_order_date": "last_order_date",
    "last_event_name": "last_event_name",
    "preferred_venue": "preferred_venue",
    "marketing_opt_in": "marketing_opt_in",
    "customer_since": "customer_since",
}
"""Mautic's alias -> column of mautic_sync_source; the document's map, with its names."""

SEGMENT_NAMES: dict[str, str] = {
    "vip": "VIP Customers",
    "regular": "Regular Customers",
    "new": "New Customers",
    "inactive": "Inactive Customers",
}
"""Slug of a segment here -> its name in Mautic; memberships of other segments stay here."""


CUSTOM_FIELDS: tuple[WantedField, ...] = (
    WantedField("supabase_id", "Supabase ID", "text", unique=True),
    WantedField(
        "customer_segment",
        "Customer Segment",
        "select",
        choices={"vip": "VIP", "regular": "Regular", "new": "New", "inactive": "Inactive"},
    ),
    WantedField("lead_score", "Lead Score", "number"),
    WantedField("total_orders", "Total Orders", "number"),
    WantedField("total_spent", "Total Spent", "number", scale=2),
    WantedField("last_order_date", "Last Order Date", "datetime"),
    WantedField("last_event_name", "Last Event Name", "text"),
    WantedField("preferred_venue", "Preferred Venue", "text"),
    WantedField("marketing_opt_in", "Marketing Opt In", "boolean"),
    WantedField("customer_since", "Customer Since", "date"),
)
"""The fields of FIELDS that a fresh Mautic does not have."""


def contact_fields(customer: Customer) -> MappedContact:
    """The customer in Mautic's fields; without an address where there is none that would arrive as it is."""
    values = {alias: customer.source[column] for alias, column in FIELDS.items()}
    return write_fields(values | {"email": meant_address(customer)})


def meant_address(customer: Customer) -> str | None:
    """The address that Mautic is to have; None where the customer has none, or none that it would keep."""
    return address_to_write(customer.source["email"], customer.address)
