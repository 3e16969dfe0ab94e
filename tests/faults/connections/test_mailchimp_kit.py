"""The contract kit over Mailchimp: faults at every request, deaths at every step, and a token that ends."""

import pytest

from crm_relay.connections.oauth.connect import reconnected
from crm_relay.connections.store import find_connection
from crm_relay.connections.tokens.grants import put_grant
from tests.support.connections.kit import (
    FAULTS,
    fault_at_every_request,
    killed_at_every_step,
    some_fault_at_every_request,
    trial,
)
from tests.support.connections.mailchimp_vendor import mailchimps

# A 401 ends a token that cannot be refreshed: see below.
_KINDS = [kind for kind in FAULTS if kind != "401"] + ["403_bare"]


def test_some_fault_at_every_request_and_each_of_them_once(postgres_url: str) -> None:
    met = some_fault_at_every_request(postgres_url, mailchimps, _KINDS)
    assert set(met) == set(_KINDS)
    assert met.total() >= 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", _KINDS)
def test_a_fault_at_every_request(postgres_url: str, kind: str) -> None:
    assert fault_at_every_request(postgres_url, mailchimps, kind) >= 10


@pytest.mark.parametrize("at", [1, 4, 7])
def test_a_token_that_is_refused_holds_the_connection_until_somebody_reconnects(postgres_url: str, at: int) -> None:
    for vendor in mailchimps():
        with trial(postgres_url, vendor) as one:
            result = one.sync(at, lambda: vendor.fault("401"))  # noqa: B023 - called in the loop
            assert result.metadata["outcome"] == "reconnect", result
            row = find_connection(one.stage.db, one.connection)
            assert row is not None
            assert row.held_for == "reconnect"
            put_grant(one.stage.db, one.stage.context.vault, one.connection, vendor.grant(), None)
            reconnected(one.stage.db, row, "mary@example.org", one.stage.now())
            one.settle()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_a_death_at_every_step(postgres_url: str, every: int, *, before: bool) -> None:
    assert killed_at_every_step(postgres_url, mailchimps, before=before, every=every) > 20
