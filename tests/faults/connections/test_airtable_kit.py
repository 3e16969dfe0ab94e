"""The contract kit over Airtable: faults at every request, deaths at every step, a grant that rotates in the middle."""

from functools import partial

import pytest

from tests.support.connections.airtable_vendor import airtables
from tests.support.connections.kit import (
    FAULTS,
    fault_at_every_request,
    killed_at_every_step,
    rotated_at_every_request,
    some_fault_at_every_request,
)


def test_some_fault_at_every_request_and_each_of_them_once(postgres_url: str) -> None:
    met = some_fault_at_every_request(postgres_url, partial(airtables, "email"), FAULTS)
    assert set(met) == set(FAULTS)
    assert met.total() >= 8


@pytest.mark.slow
@pytest.mark.parametrize("email_type", ["singleLineText", "email"])
@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_at_every_request(postgres_url: str, kind: str, email_type: str) -> None:
    assert fault_at_every_request(postgres_url, partial(airtables, email_type), kind) >= 8


@pytest.mark.parametrize("email_type", ["singleLineText", pytest.param("email", marks=pytest.mark.slow)])
def test_a_grant_that_another_worker_rotates_in_the_middle(postgres_url: str, email_type: str) -> None:
    assert rotated_at_every_request(postgres_url, partial(airtables, email_type)) >= 4


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_a_death_at_every_step(postgres_url: str, every: int, *, before: bool) -> None:
    vendors = partial(airtables, "singleLineText")
    assert killed_at_every_step(postgres_url, vendors, before=before, every=every) > 20
