"""An erasure that is killed at any step can be done again, and never brings back what it had erased."""

import os
from typing import Any

import pytest
from moto.sqs.models import sqs_backends

from crm_relay.operations.erase import erase
from crm_relay.platform.aws import queue
from crm_relay.platform.database import Database, Row
from crm_relay.providers.mautic.client import Mautic
from tests.support.customers.mautic_harness import CLIENT, MauticHarness
from tests.support.operations.planted_person import (
    ADA,
    BEA,
    Places,
    erasure,
    plant,
    plant_shared_deliveries,
    snapshot,
    traces,
)
from tests.support.platform.rows import one, rows_of
from tests.support.processes.killed_process import KilledHttp, Killer


class KilledStatements(Database):
    """A Database whose statements are steps, those within a transaction and its commit too."""

    killer: Killer

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        self.killer(before=True)
        rows = super()._send(sql, **more)
        self.killer(before=False)
        return rows


def killed_erasure(harness: MauticHarness, places: Places, url: str, step: int, *, before: bool) -> bool:
    """One erasure in a process of its own; True where it was killed, False where it came to its end first."""
    # Its clients are made here, where that is quick, and nobody has used them: a connection must not be shared.
    queue.aws_client.cache_clear()
    queue.aws_client("sqs"), queue.aws_client("s3")
    child = os.fork()
    if child == 0:
        try:
            _erase_as_child(harness, places, url, Killer(step, before=before))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _erase_as_child(harness: MauticHarness, places: Places, url: str, killer: Killer) -> None:
    ask_aws = queue.aws_call

    def killed_call(service: str, operation: str, **arguments: Any) -> Any:
        killer(before=True)
        answer = ask_aws(service, operation, **arguments)
        killer(before=False)
        return answer

    queue.aws_call = killed_call
    database, http = KilledStatements(url), KilledHttp(harness.simulator.url)
    database.killer = http.killer = killer
    scope = erasure(harness, places, db=database)
    scope.run.mautic = Mautic(http, *CLIENT)
    erase(scope, ADA.address)


# A message that was sent again and not yet deleted stands in its queue twice.
_DOUBLED = 5


def make_visible(places: Places) -> None:
    """As time would do it: what a killed erasure held comes back into its queue."""
    for backend in sqs_backends["123456789012"].values():
        for name in (url.rpartition("/")[2] for url in places.queues):
            for message in backend.queues[name]._messages if name in backend.queues else ():
                message.change_visibility(0)


def is_blocked(harness: MauticHarness) -> bool:
    return bool(one(harness.db, "select is_erased(null, 'email', :mark) as yes", mark=ADA.address.lower())["yes"])


@pytest.fixture
def places(aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Places:
    """An empty AWS, of one server that answers at once."""
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    return Places.fresh(aws_environment)


# After a step everything is as it is before the next one: the second of them looks at the same places once more.
@pytest.mark.parametrize("before", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["after", "before"])
def test_an_erasure_killed_at_every_step_in_turn_ends_erased(
    harness: MauticHarness, places: Places, database_url: str, before: bool
) -> None:
    """The kills follow each other: each try starts from what the one killed before has left behind."""
    plant(harness, places, ADA)
    bea = plant(harness, places, BEA)
    plant_shared_deliveries(harness, places)
    harness.sync()
    others = snapshot(harness, bea)
    left, was_blocked, step = len(traces(harness, places, ADA)), False, 1

    while killed_erasure(harness, places, database_url, step, before=before):
        # A sync between two tries must not undo anything.
        harness.sync(full=True)
        found, blocked = len(traces(harness, places, ADA)), is_blocked(harness)
        assert blocked or not was_blocked
        assert found <= left + _DOUBLED
        left, was_blocked, step = min(left, found), blocked, step + 1
        assert step < 250, "an erasure must come to an end"
        make_visible(places)

    assert step > 25
    make_visible(places)
    receipt = erase(erasure(harness, places), ADA.address)
    assert receipt.is_complete, (receipt.unreached, receipt.left)
    assert traces(harness, places, ADA) == []
    assert snapshot(harness, bea) == others
    assert rows_of(harness.db, "select from customer_profiles where first_name = 'Adamantia'") == []
    assert not any(each.fields.get("email") == ADA.address.lower() for each in harness.simulator.contacts.values())
