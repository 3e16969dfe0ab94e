"""Whatever the CRM holds: an audit, its repair, a run and another audit end with nothing to be found."""

from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from crm_relay.customers.audit import audit_everybody, repair
from tests.integration.conftest import database_of_its_own
from tests.support.customers.mautic_harness import MauticHarness

# What the recordings have, and what stands beside it.
TEXTS = st.one_of(
    st.sampled_from(
        [
            *(
                "R&amp;B",
                "&lt;i&gt;x",
                "&nbsp;",
                "\ufeffbom",
                "A < B > C",
                "<b>bold</b>",
                "a\tb",
                "  ends  ",
                "0",
                "00",
            ),
            *("1", "--", "Array", "null", "false", "&amp;lt;", "&#48;", "&#x30;", "&copy", "&;", "&#0;", "&#1;x", "'"),
            *(
                "x" * 63 + "&amp;",
                "x" * 200,
                "é" * 70,
                "Ngọc",
                "🎉" * 70,
                "javascript:alert(1)",
                "http://e.com/?a=1&b=2",
            ),
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80),
)
EMAILS = st.sampled_from(
    [
        *(
            "a{}@example.com",
            "A{}@Example.com",
            "a{}/b@example.com",
            "a {}@example.com",
            "josé{}@example.com",
            "a{}@ex",
        ),
        *("Ana <a{}@example.com>", "a{}%b@example.com", "a{}@exämple.com", "nothing{}", None, "a{}+tag@example.com"),
    ]
)
COUNTRIES = st.sampled_from(["Narnia", "PT", "portugal", "Türkiye", "Turkey", "SZ", "USA", "Côte d’Ivoire", "", None])
STATES = st.sampled_from(["TX", "Texas", "NSW", "Atlantis", "Île-de-France", "quebec", "QC", "", None])
MONEY = st.sampled_from(["0", "0.004", "0.5", "-0.25", "0.995", "12.345", "1234567890.12", "-7"])
TIMES = st.sampled_from(
    [
        datetime(1, 1, 1, 0, 0, 30, tzinfo=UTC),
        datetime(1899, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, tzinfo=UTC),
        datetime(2026, 2, 28, 23, 30, 59, tzinfo=UTC),
        None,
    ]
)
CUSTOMERS = st.lists(
    st.fixed_dictionaries(
        {
            "email": EMAILS,
            "later": EMAILS,
            "first": TEXTS,
            "venue": TEXTS,
            "city": TEXTS,
            "country": COUNTRIES,
            "state": STATES,
            "spent": MONEY,
            "at": TIMES,
            "do_not_contact": st.booleans(),
            "muted": st.integers(0, 9),
        }
    ),
    min_size=1,
    max_size=6,
)


def fill(harness: MauticHarness, number: int, row: dict[str, Any]) -> Any:
    """One customer as drawn."""
    email = None if row["email"] is None else row["email"].format(number)
    who = harness.customer(
        email, first_name=row["first"], spent=row["spent"], do_not_contact=row["do_not_contact"] and number % 3 == 0
    )
    harness.sql(
        """update customer_engagement_metrics set preferred_venue = :venue, last_order_at = :at
           where customer_id = :id""",
        venue=row["venue"],
        at=row["at"],
        id=who,
    )
    harness.sql(
        """insert into customer_addresses (customer_id, suburb, state, country, is_primary)
           values (:id, :city, :state, :country, true)""",
        id=who,
        city=row["city"],
        state=row["state"],
        country=row["country"],
    )
    return who


def meddle(harness: MauticHarness, who: Any, number: int, row: dict[str, Any]) -> None:
    """What happens afterwards, here and there."""
    if row["later"] is not None:
        harness.sql(
            "update customer_emails set email = :email where customer_id = :id",
            email=row["later"].format(number),
            id=who,
        )
    contact = harness.contact(who)
    if contact is not None and row["muted"] in {1, 2, 3}:
        body = [{"id": contact.id, "doNotContact": [{"channel": "email", "reason": row["muted"], "comments": "there"}]}]
        harness.mautic().edit_contacts(body)
    if contact is not None and row["muted"] == 4:
        harness.mautic().edit_contacts([{"id": contact.id, "firstname": "Edited", "city": "Elsewhere"}])


@pytest.mark.timeout(600)
def test_audit_repair_run_and_audit_end_with_nothing(postgres_url: str) -> None:
    @settings(
        max_examples=25,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    @given(rows=CUSTOMERS)
    def converges(rows: list[dict[str, Any]]) -> None:
        with database_of_its_own(postgres_url) as harness:
            people = [fill(harness, number, row) for number, row in enumerate(rows)]
            harness.sync()
            assert audit_everybody(harness.db, harness.mautic(), harness.now).findings == [], "after a first run"
            for number, (who, row) in enumerate(zip(people, rows, strict=True)):
                meddle(harness, who, number, row)
            repair(harness.db, audit_everybody(harness.db, harness.mautic(), harness.now), harness.now)
            harness.sync()
            repair(harness.db, audit_everybody(harness.db, harness.mautic(), harness.now), harness.now)
            harness.sync()
            assert audit_everybody(harness.db, harness.mautic(), harness.now).findings == []

    converges()
