"""A line of a suppression list mutes the person that it means, or is reported: it is never filed under nobody."""

import io

import pytest

from crm_relay.consent.import_export import BadLine, Imported, import_ledger
from crm_relay.platform.database import Database
from tests.support.platform.rows import rows_of

WHEN = "2026-05-01T10:00:00+00:00"


def imported(database: Database, channel: str, address: str) -> tuple[Imported, list[BadLine], list[str]]:
    text = f'address,kind,occurred_at,channel\n"{address}",opt_out,{WHEN},{channel}\n'
    bad: list[BadLine] = []
    done = import_ledger(database, io.StringIO(text, newline=""), bad.append)
    return done, bad, [row["address"] for row in rows_of(database, "select address from consent_events")]


@pytest.mark.parametrize(
    ("channel", "address", "person"),
    [
        ("email", "ada\u200c@example.com", "ada@example.com"),
        ("email", "a\u034fda@exa\u200dmple.com", "ada@example.com"),
        ("email", "\u2060ada@example.com\ufe0f", "ada@example.com"),
        ("email", "Ada <ada@example.com>", "ada@example.com"),
        ("email", "ada@example.com,", "ada@example.com"),
        ("sms", "+49 (0)176 11111111", "+4917611111111"),
        ("sms", "tel:+39 06 1234567", "+39061234567"),
    ],
)
def test_the_person_is_muted(database: Database, channel: str, address: str, person: str) -> None:
    assert imported(database, channel, address) == (Imported(1, 0), [], [person])


@pytest.mark.parametrize(
    ("channel", "address", "why"),
    [
        ("email", "ada@example.com;ben@example.com", "not an address of the channel email"),
        ("email", "Ada", "not an address of the channel email"),
        ("email", "ada@example.com|ben@example.com", "not one address"),
        ("email", "ada@ben@example.com", "not one address"),
        ("email", "ada\u2800@example.com", "not one address"),
        ("email", "mailto:ada@example.com?subject=stop", "not one address"),
        ("email", "ada@example.com/", "not one address"),
        ("sms", "+1 555 01", "not an address of the channel sms"),
        ("sms", "+1 415 555", "has too few digits for its country"),
        ("sms", "+1 415 555 2671 99", "has too many digits for its country"),
        ("sms", "+999 1234 56789", "is of no country"),
        ("sms", "0176 11111111", "not an address of the channel sms"),
    ],
)
def test_the_line_is_reported(database: Database, channel: str, address: str, why: str) -> None:
    assert imported(database, channel, address) == (Imported(0, 0), [BadLine(2, f"address: {why}")], [])
