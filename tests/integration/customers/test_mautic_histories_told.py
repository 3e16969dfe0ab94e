"""Histories that the random ones have found, told once each."""

import pytest

from tests.integration.customers.test_mautic_histories import MauticHistories


@pytest.fixture
def history(postgres_url: str) -> MauticHistories:
    """Its end is checked by `teardown`, which the test calls."""
    machine: type[MauticHistories] = type("WithDatabase", (MauticHistories,), {"url": postgres_url})
    return machine()


def test_an_opt_out_at_a_shared_address_is_not_lost_with_the_customer_who_had_the_contact(
    history: MauticHistories,
) -> None:
    history.begin(["p0@example.com", "p0@example.com"], owned=False, known=True)
    history.delete_here(1)
    history.deliveries_fail(patience=0, status=500)
    history.unsubscribe_there(0)
    history.teardown()


def test_an_opt_out_of_a_deleted_customers_contact_reaches_the_customer_who_has_the_address(
    history: MauticHistories,
) -> None:
    history.begin(emails=["p0@example.com"], owned=False, known=False)
    history.add(age=6, email="p0@example.com")
    history.run(minutes=1)
    history.deliveries_fail(patience=0, status=500)
    history.delete_here(which=0)
    history.unsubscribe_there(which=0)
    history.teardown()
