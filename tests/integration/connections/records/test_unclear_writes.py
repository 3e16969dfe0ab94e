"""A write whose answer is lost, and what somebody does to the same person before the next sync: our last word holds.

The model: what both sides hold in the end is the last value that anybody gave a field, whether or not a request that
was never answered was carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.platform.rows import rows_of
from tests.support.processes.sudden_death import Killed, Life

VALUES = (None, "first", "second")
WRITES = "POST /books/main/people"


@pytest.fixture
def connection(stage: ConnectionStage) -> UUID:
    return stage.connect({"fields": OF_THE_LATEST})


OF_THE_LATEST = {
    "email": {"id": "f_mail", "owner": "latest"},
    "first_name": {"id": "f_first", "owner": "latest"},
    "title": {"id": "f_title", "owner": "latest"},
}


def sync_unanswered(stage: ConnectionStage, ledger: LedgerSimulator, connection: UUID, kind: str) -> bool:
    """A sync whose first write is carried out (`lost`) or not (`hang`), and never answered; whether it made one."""
    ledger.fault(WRITES, kind)
    stage.open(connection).sync()
    is_met = ledger.faults.pending == 0
    ledger.faults.clear()
    return is_met


def lost(stage: ConnectionStage, ledger: LedgerSimulator, connection: UUID, kind: str) -> None:
    """The same, and it made one."""
    assert sync_unanswered(stage, ledger, connection, kind)


def settle(stage: ConnectionStage, connection: UUID) -> None:
    for complete in (False, True):
        stage.ahead += timedelta(minutes=15)
        result = stage.open(connection).sync(complete=complete)
        assert result.success, result
    assert result.metadata["streams"]["main"]["compared"]["is_equal"]
    assert rows_of(stage.db, "select our_id from integration_unconfirmed") == []


def both(stage: ConnectionStage, ledger: LedgerSimulator) -> list[dict[str, Any]]:
    """Each person of ours, and that they have the same values."""
    ours = [
        {"f_mail": row["email"], "f_first": row["first_name"], "f_title": row["title"]}
        for row in stage.contacts().values()
    ]
    known = [{name: value for name, value in each.items() if value is not None} for each in ours]
    theirs = sorted(ledger.people().values(), key=lambda each: str(each["f_mail"]))
    assert sorted(known, key=lambda each: str(each["f_mail"])) == theirs
    return ours


@pytest.mark.parametrize("kind", ["lost", "hang"])
def test_the_last_value_of_a_new_person_holds(
    stage: ConnectionStage, ledger: LedgerSimulator, connection: UUID, kind: str
) -> None:
    wanted = {}
    for number, (sent, after) in enumerate(product(VALUES, VALUES)):
        address = f"p{number}@example.com"
        contact, wanted[address] = stage.contact(address, title=sent), after
        lost(stage, ledger, connection, kind)
        stage.change(contact, title=after)

    settle(stage, connection)

    assert {each["f_mail"]: each["f_title"] for each in both(stage, ledger)} == wanted


@pytest.mark.parametrize("kind", ["lost", "hang"])
@pytest.mark.parametrize("says_when", [True, False])
def test_the_last_value_of_somebody_who_is_there_holds(
    stage: ConnectionStage, ledger: LedgerSimulator, connection: UUID, kind: str, *, says_when: bool
) -> None:
    people = {}
    for number, (agreed, sent, after) in enumerate(product(VALUES, repeat=3)):
        people[f"p{number:02}@example.com"] = (stage.contact(f"p{number:02}@example.com", title=agreed), sent, after)
    settle(stage, connection)
    if says_when:
        # A vendor whose clock is ahead: its record looks later than any edit of ours.
        ledger._now = lambda: stage.now() + timedelta(hours=1)
    for contact, sent, after in people.values():
        stage.change(contact, title=sent)
        sync_unanswered(stage, ledger, connection, kind)
        stage.change(contact, title=after)

    settle(stage, connection)

    assert {each["f_mail"]: each["f_title"] for each in both(stage, ledger)} == {
        address: after for address, (_, _, after) in people.items()
    }


def test_their_edit_behind_a_lost_answer_holds(
    stage: ConnectionStage, ledger: LedgerSimulator, connection: UUID
) -> None:
    stage.contact("ada@example.com", title="sent")
    lost(stage, ledger, connection, "lost")
    (their_id,) = ledger.people()
    ledger.edit(their_id, {"f_title": "theirs"})

    settle(stage, connection)

    assert [each["f_title"] for each in both(stage, ledger)] == ["theirs"]


def new_address(stage: ConnectionStage, contact: UUID) -> None:
    stage.change(contact, email="countess@example.com")


def nothing(stage: ConnectionStage, contact: UUID) -> None:
    del stage, contact


@pytest.mark.parametrize("happens", [new_address, nothing])
@pytest.mark.parametrize("kind", ["lost", "hang"])
def test_a_person_whose_creation_was_never_confirmed_is_one_person(
    stage: ConnectionStage,
    ledger: LedgerSimulator,
    connection: UUID,
    kind: str,
    happens: Callable[[ConnectionStage, UUID], None],
) -> None:
    contact = stage.contact("ada@example.com", title="Countess")
    lost(stage, ledger, connection, kind)
    happens(stage, contact)

    settle(stage, connection)

    assert [row["id"] for row in stage.contacts().values()] == [contact]
    assert len(both(stage, ledger)) == 1


def test_somebody_else_with_the_old_address_is_somebody_else(
    stage: ConnectionStage, ledger: LedgerSimulator, connection: UUID
) -> None:
    contact = stage.contact("ada@example.com")
    settle(stage, connection)
    stage.change(contact, title="new")
    lost(stage, ledger, connection, "hang")
    stage.change(contact, email="countess@example.com")
    ledger.add({"f_mail": "ada@example.com", "f_title": "another one"})

    settle(stage, connection)

    assert sorted(each["f_mail"] for each in both(stage, ledger)) == ["ada@example.com", "countess@example.com"]


def test_a_person_who_was_deleted_meanwhile_is_not_made_again(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    connection = stage.connect({"when_removed_here": "remove", "shrink_limit_percent": 100})
    contact = stage.contact("ada@example.com", title="Countess")
    lost(stage, ledger, connection, "lost")
    stage.change(contact, deleted_at=stage.now())

    settle(stage, connection)

    assert stage.contacts() == {}
    assert ledger.people() == {}


@pytest.fixture
def everything_there(stage: ConnectionStage, ledger: LedgerSimulator) -> Iterator[None]:
    yield
    both(stage, ledger)


@pytest.mark.usefixtures("everything_there")
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_any_step_and_edited_behind(
    stage: ConnectionStage, ledger: LedgerSimulator, connection: UUID, *, before: bool
) -> None:
    step, has_died = 0, True
    while has_died:
        step += 1
        address = f"p{step:03}@example.com"
        contact = stage.contact(address, title="sent", first_name="Ada")
        life = Life(step, before=before)
        database, context = stage.mortal(life)
        with suppress(Killed):
            stage.open(connection, database, context).sync()
        has_died = life.is_over
        database.close()
        rows_of(stage.db, "update integration_connections set leased_until = null")
        stage.ahead += timedelta(minutes=1)
        stage.change(contact, title=None)
        settle(stage, connection)
        assert stage.contacts()[address]["title"] is None, step
    assert step > 15
