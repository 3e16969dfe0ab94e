"""Sample customers with the mess of real life, made from a seed: the same customers for the same number."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from crm_relay.platform.database import Database
from crm_relay.platform.sql import Json, parse_queries

_SQL = parse_queries(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
_FIRST = [
    "Ana",
    "João",
    "Zoë",
    "Søren",
    "Łukasz",
    "Mary-Jane",
    "麗華",
    "O'Neil",
    "Renée",
    "Björk",
    "Inês",
    "Thomas",
    "Yusuf",
]
_LAST = [
    "Silva",
    "Müller",
    "Ångström",
    "O'Brien",
    "Nguyễn",
    "Kowalski",
    "García",
    "Smith",
    "Dvořák",
    "Иванов",
    "Öztürk",
]
_COUNTRIES = ["PT", "US", "GB", "DE", "FR", "AU", "JP", "BR", "Portugal", "united states", "XX", "", None]
_STATES = ["California", "Lisboa", "New South Wales", "Atlantis", "", None, None, None]
_VENUES = ["Casa da Música", "Fabrik", "The Long Hall " * 6, 'Café "Le Coq"', None]
_SEGMENTS = ("vip", "regular", "new", "inactive", "newsletter")


def insert_customers(database: Database, count: int, *, seed: int = 7, now: datetime | None = None) -> None:
    """`count` customers with addresses, phones, metrics and memberships, in one statement a table."""
    customers = list(_customers(count, random.Random(seed), now or datetime(2026, 11, 20, 12, tzinfo=UTC)))
    database.run(_SQL["insert_segments"], rows=Json([{"slug": slug, "name": slug.title()} for slug in _SEGMENTS]))
    for table in ("profiles", "emails", "phones", "addresses", "metrics", "links"):
        database.run(_SQL[f"insert_{table}"], rows=Json(customers))


def _customers(count: int, rng: random.Random, now: datetime) -> Iterator[dict[str, object]]:
    for number in range(count):
        since = now - timedelta(days=rng.randint(1, 1500), seconds=rng.randint(0, 86_399))
        orders = rng.choice([0, 1, 1, 2, 3, 8, 25])
        yield {
            "id": str(UUID(int=rng.getrandbits(128), version=4)),
            "first_name": rng.choice([*_FIRST, None, ""]),
            "last_name": rng.choice([*_LAST, None]),
            "opt_in": rng.choice([True, True, True, False, None]),
            "do_not_contact": rng.random() < 0.02,
            "lead_score": rng.choice([None, 0, 3, 15, 18, 20, 44]),
            "created_at": since.isoformat(),
            "email": _address(number, rng),
            "is_valid": rng.random() >= 0.01,
            "mobile": f"+3519{rng.randint(10_000_000, 99_999_999)}" if rng.random() < 0.6 else None,
            "street": rng.choice(["Rua Augusta 1", "5th Avenue 12", "Straße des 17. Juni 135", None]),
            "suburb": rng.choice(["Lisboa", "Porto", "東京", "A < B", None]),
            "state": rng.choice(_STATES),
            "postcode": rng.choice(["1100-053", "10115", None]),
            "country": rng.choice(_COUNTRIES),
            "orders": orders,
            "spent": rng.choice(["0", "0.50", *["12.00", "87.30", "1499.99"] * 8]) if orders else "0",
            "last_order": (now - timedelta(days=rng.randint(0, 400))).isoformat() if orders else None,
            "event": rng.choice(["Fado Night", "Summer Jam", None]),
            "venue": rng.choice(_VENUES),
            "segments": rng.sample(_SEGMENTS, rng.randint(0, 2)),
        }


def _address(number: int, rng: random.Random) -> str | None:
    """Most are fine; some stand twice in another spelling, some have no or an impossible address."""
    kind = rng.random()
    if kind < 0.02 and number:
        return f"  Customer{rng.randrange(number)}@Example.COM "
    if kind < 0.03:
        return None
    if kind < 0.035:
        return f"josé{number}@exämple.com"
    if kind < 0.04:
        return f"not-an-address-{number}@"
    return f"customer{number}@example.com"
