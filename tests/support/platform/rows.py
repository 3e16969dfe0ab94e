"""Rows for tests, without a named query for each."""

from uuid import UUID

from crm_relay.platform.database import Database, Row
from crm_relay.platform.sql import Query, SqlValue


def parse(sql: str) -> Query:
    """A query without a name, for a transaction."""
    return Query.parse("ad_hoc", "a test asks", sql)


def rows_of(database: Database, sql: str, **values: SqlValue) -> list[Row]:
    """The rows of one statement; `:name` stands for a value."""
    return database.run(parse(sql), **values)


def one(database: Database, sql: str, **values: SqlValue) -> Row:
    """The only row of one statement."""
    (row,) = rows_of(database, sql, **values)
    return row


def add_customer(
    database: Database,
    *emails: str,
    contact_id: int | None = None,
    marketing_opt_in: bool | None = True,
    created_at: str = "2026-01-01T00:00:00Z",
) -> UUID:
    """A customer with these addresses, who is the contact `contact_id` in Mautic; the dirty list is emptied after."""
    customer: UUID = one(
        database,
        "insert into customer_profiles (first_name, marketing_opt_in, created_at) "
        "values ('Ada', :opt_in, cast(:created_at as timestamptz)) returning id",
        opt_in=marketing_opt_in,
        created_at=created_at,
    )["id"]
    for email in emails:
        rows_of(
            database, "insert into customer_emails (customer_id, email) values (:id, :email)", id=customer, email=email
        )
    if contact_id is not None:
        rows_of(
            database,
            "insert into mautic_sync_status (customer_id, mautic_contact_id, sync_hash, segments, dnc_reason) "
            "values (:id, :contact, 'h', array['vip'], 1)",
            id=customer,
            contact=contact_id,
        )
    rows_of(database, "delete from mautic_dirty")
    return customer
