"""New tokens at a door that has a budget for strangers: what is valid uses none of it up."""

from datetime import UTC, datetime

from crm_relay.operations.access.identify import Doorkeeper
from crm_relay.operations.access.tokens import create_token
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from crm_relay.platform.http.refusals import MOST_REFUSALS

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def new_token(database: Database, name: str) -> str:
    made = create_token(database, name, Role.READ, expires_at=None, created_by="a test", now=NOW)
    return f"Bearer {made.token}"


def test_any_number_of_new_tokens_opens_within_a_minute(database: Database) -> None:
    """Each is made after the door has looked last."""
    door = Doorkeeper(database, None)
    for number in range(MOST_REFUSALS * 2):
        caller = door.identify(new_token(database, f"t{number}"), NOW)
        assert caller is not None
        assert caller.name == f"t{number}"


def test_strangers_use_the_budget_up_and_a_new_token_waits_for_a_minute(database: Database) -> None:
    door = Doorkeeper(database, None)
    for number in range(MOST_REFUSALS):
        assert door.identify(f"Bearer nobody-{number}", NOW) is None
    late = new_token(database, "late")
    assert door.identify(late, NOW) is None
    caller = door.identify(late, NOW.replace(minute=1))
    assert caller is not None
