"""What EmailBison's totals of an account show beside what was counted of it."""

from datetime import UTC, datetime

import pytest

from crm_relay.outreach.decisions import judge_totals
from crm_relay.outreach.models import SettlingAccount, TotalsGap

AT = datetime(2026, 11, 30, tzinfo=UTC)


def account(
    before: int | None, after: int | None, ahead: int = 0, counted: int = 0, filled: int = 0
) -> SettlingAccount:
    def named(total: int | None) -> dict[str, int]:
        return {} if total is None else {"replies_mtd": total}

    return SettlingAccount(7, AT, named(before), named(after), named(ahead), named(counted), named(filled))


@pytest.mark.parametrize(
    ("known", "missing", "ahead"),
    [
        (account(3, 8, counted=5), 0, 0),
        (account(3, 8, counted=2), 3, 0),
        (account(3, 8, counted=2, ahead=1), 2, 0),
        (account(3, 3), 0, 0),
        # Counted before the totals show it: nothing is missing, and they will show it next time.
        (account(3, 4, counted=3), 0, 2),
        # Filled in too much, which is taken back as far as it goes.
        (account(3, 4, counted=3, filled=1), -1, 1),
        (account(3, 4, counted=3, filled=9), -2, 0),
    ],
)
def test_what_is_missing_is_what_the_totals_show_and_nobody_counted(
    known: SettlingAccount, missing: int, ahead: int
) -> None:
    assert judge_totals(known) == [TotalsGap(7, "replies_mtd", missing, ahead)]


def test_a_reply_that_moves_no_counter_is_not_missing() -> None:
    known = SettlingAccount(
        7, AT, {"replies_mtd": 3, "bounced_mtd": 0}, {"replies_mtd": 8, "bounced_mtd": 1}, {}, {}, {}, 5
    )
    assert judge_totals(known) == [TotalsGap(7, "bounced_mtd", 1, 0), TotalsGap(7, "replies_mtd", 0, 0)]


@pytest.mark.parametrize("known", [account(None, 8), account(3, None), account(8, 3, counted=2)])
def test_nothing_is_said_of_a_time_that_the_totals_do_not_show(known: SettlingAccount) -> None:
    assert judge_totals(known) == []
