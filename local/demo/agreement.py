"""Whether Postgres and the simulated Mautic agree, asked in another way than the sync goes about it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from crm_relay.consent.address import normalise
from crm_relay.customers.field_map import FIELDS, SEGMENT_NAMES
from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import Query
from crm_relay.providers.mautic.mapping import same_field, write_fields
from local.simulators.mautic import MauticSimulator

_EXPECTED = Query.parse(
    "expected",
    "Every customer as Mautic should know it, with what the sync remembers of it.",
    """
    select
        source.*,
        first_value(source.customer_id) over (
            partition by source.address order by source.created_at desc, source.customer_id desc
        ) = source.customer_id as is_owner,
        status.mautic_contact_id,
        status.sync_error,
        coalesce(status.left_out, '{}') as left_out
    from mautic_sync_source source
    left join mautic_sync_status status on status.customer_id = source.customer_id
    """,
)
_DIRTY = Query.parse(
    "dirty",
    "What the sync has not looked at yet.",
    "select (select count(*) from mautic_dirty) + (select count(*) from mautic_dirty_bulk) as lines",
)


def disagreements(database: Database, mautic: MauticSimulator) -> list[str]:
    """What Mautic has and should not have, and the other way round; by customer id, without personal data."""
    return list(_disagreements(database, mautic))


def _disagreements(database: Database, mautic: MauticSimulator) -> Iterator[str]:
    contacts = list(mautic.contacts.values())
    addresses = Counter(str(each.fields["email"]).lower() for each in contacts if each.fields.get("email"))
    yield from ("an address stands in Mautic twice" for count in addresses.values() if count > 1)
    carriers = Counter(str(each.fields["supabase_id"]) for each in contacts if each.fields.get("supabase_id"))
    yield from (f"{who}: stands in Mautic twice" for who, count in carriers.items() if count > 1)
    if database.run(_DIRTY)[0]["lines"]:
        yield "the dirty list is not empty"
    by_customer = {str(each.fields["supabase_id"]): each for each in contacts if each.fields.get("supabase_id")}
    members = {slug: mautic.segment_members(name) for slug, name in SEGMENT_NAMES.items()}
    wanted = {str(row["customer_id"]): row for row in database.run(_EXPECTED)}
    for who, row in wanted.items():
        yield from (f"{who}: {what}" for what in _about(row, by_customer.get(who), mautic, members))
    for who in carriers.keys() - wanted.keys():
        if mautic.mailable(by_customer[who].id):
            yield f"{who}: deleted here, mailable there"


def _about(row: Row, contact: Any, mautic: MauticSimulator, members: Mapping[str, set[int]]) -> Iterator[str]:
    if contact is not None and row["dnc_reason"] is not None and mautic.mailable(contact.id):
        yield "opted out and mailable"
    if row["sync_error"]:
        return
    if contact is None:
        if row["address"] and row["is_owner"] and not row["do_not_contact"]:
            yield "not in Mautic"
        return
    if row["mautic_contact_id"] != contact.id:
        yield "another contact id is remembered"
    yield from _differing_fields(row, contact)
    for slug, ids in members.items():
        if (contact.id in ids) != (slug in row["customer_segments"]):
            yield f"membership of {slug} differs"


def _differing_fields(row: Row, contact: Any) -> Iterator[str]:
    if normalise(str(contact.fields.get("email") or "")) != row["address"]:
        yield "email differs"
    written = write_fields({alias: row[column] for alias, column in FIELDS.items() if alias != "email"})
    for alias, value in (written.fields | written.below_one).items():
        if alias not in row["left_out"] and not same_field(alias, contact.fields.get(alias), value):
            yield f"{alias} differs"
