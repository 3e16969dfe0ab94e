"""Many customers quickly: regular ones, so that a figure depends on their number alone."""

from hashlib import md5
from pathlib import Path
from uuid import UUID

from crm_relay.platform.database import Database
from crm_relay.platform.sql import parse_queries
from crm_relay.providers.mautic.mapping import MAPPING_VERSION

_SQL = parse_queries(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def insert_customers(owner: Database, count: int) -> None:
    """Customers 1 to `count`, each with an address, a phone, a place, metrics and one segment; all are changes."""
    owner.run(_SQL["insert_segments"])
    for table in ("profiles", "emails", "phones", "addresses", "metrics", "links"):
        owner.run(_SQL[f"insert_{table}"], count=count)
    settle(owner)


def insert_opt_outs(owner: Database, count: int) -> None:
    """Every twentieth of `count` customers stands in the consent ledger."""
    owner.run(_SQL["insert_opt_outs"], count=count)


def confirm_everybody(owner: Database) -> None:
    """Nothing is left to sync: customer n is Mautic's contact n, exactly as it is now."""
    owner.run(_SQL["confirm_everybody"], mapping_version=MAPPING_VERSION)
    owner.run(_SQL["forget_changes"])
    settle(owner)


def change_customers(owner: Database, count: int) -> None:
    """Rename customers 1 to `count`."""
    owner.run(_SQL["change_customers"], count=count)


def settle(owner: Database) -> None:
    """What autovacuum would have done by the time that a real table is of this size."""
    owner.run_script("vacuum analyze")
    owner.run_script("checkpoint")


def uuid_of(number: int) -> UUID:
    """The id of customer `number`."""
    return UUID(md5(f"customer{number}".encode(), usedforsecurity=False).hexdigest())


def email_of(number: int) -> str:
    """The address of customer `number`."""
    return f"customer{number}@example.com"
