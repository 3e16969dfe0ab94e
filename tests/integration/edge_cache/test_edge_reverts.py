"""A revert brings back what lost, and nothing else; what has changed since is not written over."""

from datetime import timedelta
from uuid import UUID

import pytest

from crm_relay.consent.person import Person
from crm_relay.edge_cache.erase import count_conflicts, erase_conflicts
from crm_relay.edge_cache.keys import Entity
from crm_relay.edge_cache.replication.conflicts import conflict, revert
from crm_relay.platform.errors import RejectedInput
from tests.support.edge_cache.edge_harness import NAME, EdgeHarness

ALSO: dict[Entity, str] = {"emails": "body", "prospects": "city", "campaigns": "description", "mailboxes": "provider"}


def conflicting(edge: EdgeHarness, entity: Entity, *, edge_wins: bool) -> tuple[UUID, int]:
    """A row, and the number of the conflict about its name."""
    row_id = edge.add(entity)
    edge.to_cache()
    edge.change(row_id, "PostgreSQL's", entity, at=edge.now)
    edge.edit(row_id, "the edge's", entity, at=edge.now + timedelta(seconds=1 if edge_wins else -1))
    edge.sync()
    (logged,) = edge.conflicts()
    return row_id, logged["id"]


@pytest.mark.parametrize("entity", list(ALSO))
@pytest.mark.parametrize("edge_wins", [True, False])
def test_columns_that_were_written_since_stay(edge: EdgeHarness, entity: Entity, edge_wins: bool) -> None:
    row_id, number = conflicting(edge, entity, edge_wins=edge_wins)
    edge.sql(f"update {entity} set {ALSO[entity]} = 'written since' where id = :id", id=row_id)
    revert(edge.db, number, who="ada", now=edge.now)
    edge.sync()
    winner, loser = ("the edge's", "PostgreSQL's") if edge_wins else ("PostgreSQL's", "the edge's")
    assert edge.both(row_id, entity) == (loser, loser)
    assert edge.doc(row_id, entity)[ALSO[entity]] == "written since"
    logged = edge.one("select reverted_before, reverted_after, reverted_by from edge_conflicts")
    name = NAME[entity]
    assert logged == {"reverted_before": {name: winner}, "reverted_after": {name: loser}, "reverted_by": "ada"}
    edge.assert_equal()


@pytest.mark.parametrize("entity", list(ALSO))
def test_what_has_changed_since_is_not_reverted(edge: EdgeHarness, entity: Entity) -> None:
    row_id, number = conflicting(edge, entity, edge_wins=True)
    edge.change(row_id, "newer than both", entity)
    with pytest.raises(RejectedInput) as refused:
        revert(edge.db, number, who="ada", now=edge.now)
    assert (refused.value.status, refused.value.details) == (409, (f"{NAME[entity]}: has changed since",))
    assert edge.postgres(row_id, entity) == "newer than both"
    assert edge.conflicts()[0]["reverted_at"] is None


def test_a_row_that_was_deleted_since_is_not_made_again_from_half_of_it(edge: EdgeHarness) -> None:
    row_id, number = conflicting(edge, "emails", edge_wins=True)
    edge.delete(row_id, "emails")
    with pytest.raises(RejectedInput) as refused:
        revert(edge.db, number, who="ada", now=edge.now)
    assert refused.value.status == 409
    assert edge.postgres(row_id, "emails") is None


def test_a_deleted_email_that_came_back_since_is_not_written_over(edge: EdgeHarness) -> None:
    row_id = edge.add("emails")
    edge.to_cache()
    edge.edit(row_id, "the edge's")
    edge.delete(row_id, "emails")
    edge.sync()
    edge.add("emails", "came back", row_id)
    with pytest.raises(RejectedInput):
        revert(edge.db, edge.conflicts()[0]["id"], who="ada", now=edge.now)
    assert edge.postgres(row_id, "emails") == "came back"


def test_what_a_revert_logged_is_erased_with_the_person(edge: EdgeHarness) -> None:
    row_id, number = conflicting(edge, "emails", edge_wins=True)
    edge.sql("update edge_conflicts set postgres_doc = null, edge_doc = null, reverted_before = :doc",
             doc='{"to_email": "ada@example.com"}')  # fmt: skip
    person = Person(addresses=frozenset({"ada@example.com"}))
    assert count_conflicts(edge.db, person) == 1
    assert erase_conflicts(edge.db, person) == 1
    assert conflict(edge.db, number)["reverted_before"] is None
    assert row_id
