"""Whoever changes definitions locks rows in the one order of the house."""

from collections.abc import Callable

import pytest

from crm_relay.workflows.definition.adopt import adopt
from crm_relay.workflows.definition.deactivate import deactivate
from crm_relay.workflows.definition.drafts import create, save
from crm_relay.workflows.definition.publish import publish
from tests.support.platform.lock_recorder import LockOrder, LockRecorder
from tests.support.source_tree import ROOT
from tests.support.workflows.definitions import NOW, WON, DefinitionShelf, definition, write

ORDER = LockOrder.read(ROOT / "schema" / "lock_order.toml")
DAILY = {"type": "scheduled", "cron": "0 9 * * *"}


def published_and_ended(shelf: DefinitionShelf) -> None:
    workflow = shelf.add("Won deals", triggers=[WON, DAILY], states=[{"id": "new"}])
    publish(shelf.db, workflow, NOW)
    shelf.rewrite(workflow, triggers=[DAILY])
    publish(shelf.db, workflow, NOW)
    deactivate(shelf.db, workflow, NOW)


def adopted_and_refused(shelf: DefinitionShelf) -> None:
    for number in range(3):
        shelf.add(f"Good {number}", active=True, triggers=[WON, DAILY])
        shelf.add(f"Bad {number}", active=True, actions=[write("org_id", "x")])
    adopt(shelf.db, NOW)
    shelf.sql("update workflows set is_active = false where name = 'Good 1'")
    shelf.sql("delete from workflows where name = 'Bad 1'")
    adopt(shelf.db, NOW)


def drafted(shelf: DefinitionShelf) -> None:
    made = create(shelf.db, {"name": "A", "entityType": "deal", **definition()})
    save(shelf.db, made.id, {"name": "B", "entityType": "deal", **definition()})


@pytest.mark.parametrize("scenario", [published_and_ended, adopted_and_refused, drafted])
def test_no_transaction_of_definitions_locks_against_the_order(
    database_url: str, scenario: Callable[[DefinitionShelf], None]
) -> None:
    recorder = LockRecorder(database_url)
    scenario(DefinitionShelf(recorder))
    assert recorder.transactions != []
    assert "\n".join(ORDER.disorder(recorder.transactions)) == ""
    recorder.close()
