"""What unknown callers may cost within a minute."""

from datetime import UTC, datetime, timedelta

from crm_relay.platform.http.refusals import RefusalBudget

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def spent(limit: int = 3) -> RefusalBudget:
    budget = RefusalBudget(limit)
    for _ in range(limit):
        assert not budget.is_spent(NOW)
        budget.spend(NOW)
    return budget


def test_a_budget_is_spent_until_a_minute_has_passed() -> None:
    budget = spent()
    assert budget.is_spent(NOW)
    assert budget.is_spent(NOW + timedelta(seconds=59))
    assert not budget.is_spent(NOW + timedelta(seconds=60))


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    assert not spent().is_spent(NOW - timedelta(hours=1))


def test_all_of_it_can_be_spent_at_once() -> None:
    budget = RefusalBudget()
    budget.spend_all(NOW)
    assert budget.is_spent(NOW)


def test_a_caller_who_was_known_takes_nothing_from_it() -> None:
    budget = spent(1)
    budget.give_back(NOW)
    assert not budget.is_spent(NOW)
    budget.spend(NOW)
    budget.give_back(NOW + timedelta(seconds=60))
    budget.spend(NOW + timedelta(seconds=60))
    assert budget.is_spent(NOW + timedelta(seconds=60))
