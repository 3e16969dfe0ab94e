"""A connector that was written in the tree of the tests, in under 250 lines, passes the kit."""

from pathlib import Path

import pytest

from tests.support.connections import kit, ledger_connector
from tests.support.connections.ledger_vendor import ledgers


def test_some_fault_at_every_request_and_each_of_them_once(postgres_url: str) -> None:
    kinds = (*kit.FAULTS, *kit.READING_FAULTS)
    met = kit.some_fault_at_every_request(postgres_url, ledgers, kinds)
    assert set(met) == set(kinds)
    assert met.total() > 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", kit.FAULTS)
def test_every_fault_at_every_request(postgres_url: str, kind: str) -> None:
    assert kit.fault_at_every_request(postgres_url, ledgers, kind) > 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", kit.READING_FAULTS)
def test_lists_that_repeat_and_leave_out(postgres_url: str, kind: str) -> None:
    assert kit.fault_at_every_request(postgres_url, ledgers, kind) > 10


def test_a_grant_that_another_worker_rotates(postgres_url: str) -> None:
    assert kit.rotated_at_every_request(postgres_url, ledgers) > 5


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_every_step(postgres_url: str, every: int, *, before: bool) -> None:
    assert kit.killed_at_every_step(postgres_url, ledgers, before=before, every=every) > 20


def test_the_connector_is_short() -> None:
    assert len(Path(ledger_connector.__file__).read_text(encoding="utf-8").splitlines()) < 250
