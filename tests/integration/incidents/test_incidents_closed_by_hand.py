"""An operator closes an incident that no recovery closes; who did it stays known."""

from datetime import UTC, datetime, timedelta

import pytest

from crm_relay.incidents.close_by_hand import close_by_hand, list_incidents
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import keep_open, open_incidents
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from tests.support.platform.rows import one

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
LOST = Incident("account_lost", "ada", "sender account(s) disconnected", details={"times": 3})


def opened(database: Database) -> int:
    open_incidents(database, [LOST], NOW)
    return int(one(database, "select id from incidents")["id"])


def test_an_incident_is_closed_once_with_who_did_it_and_what_it_was(database: Database) -> None:
    number = opened(database)

    first = close_by_hand(database, number, LATER, who="robot")
    again = close_by_hand(database, number, LATER + timedelta(hours=1), who="somebody else")

    assert (first.kind, first.closed_at, first.closed_by, first.changed) == ("account_lost", LATER, "robot", True)
    assert (again.closed_at, again.closed_by, again.changed) == (LATER, "robot", False)
    row = one(database, "select incident_id, closed_by, closed_at, before from incident_closures")
    assert (row["incident_id"], row["closed_by"], row["closed_at"]) == (number, "robot", LATER)
    assert (row["before"]["title"], row["before"]["details"]) == (LOST.title, {"times": 3})
    assert list_incidents(database, open_only=True, kind=None, limit=10) == []
    (line,) = list_incidents(database, open_only=False, kind="account_lost", limit=10)
    assert (line.id, line.closed_by) == (number, "robot")


def test_one_that_is_still_true_opens_again_with_the_next_look(database: Database) -> None:
    number = opened(database)
    close_by_hand(database, number, LATER)

    keep_open(database, LOST.kind, [LOST], LATER + timedelta(minutes=5))

    (line,) = list_incidents(database, open_only=True, kind=None, limit=10)
    assert (line.id, line.closed_at, line.closed_by) == (number, None, None)
    assert close_by_hand(database, number, LATER + timedelta(hours=2)).changed


def test_one_that_recovered_by_itself_was_closed_by_nobody(database: Database) -> None:
    number = opened(database)
    keep_open(database, LOST.kind, [], LATER)

    closed = close_by_hand(database, number, LATER + timedelta(hours=1), who="robot")

    assert (closed.changed, closed.closed_by) == (False, None)


def test_an_incident_that_does_not_exist_is_refused(database: Database) -> None:
    with pytest.raises(RejectedInput) as refused:
        close_by_hand(database, 77, NOW)
    assert refused.value.status == 404
