"""When a scheduled workflow is due, also where a zone moves its clocks."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.definition.schedules import next_occurrence, problems_of_schedule

BERLIN = "Europe/Berlin"


def occurrences(cron: str, zone: str, begin: datetime, count: int) -> list[datetime]:
    found: list[datetime] = []
    for _ in range(count):
        following = next_occurrence(cron, zone, found[-1] if found else begin)
        assert following is not None
        found.append(following)
    return found


def test_a_schedule_is_due_on_the_clock_of_its_zone() -> None:
    assert occurrences("0 9 * * MON-FRI", BERLIN, datetime(2026, 11, 27, 7, 59, 59, tzinfo=UTC), 3) == [
        datetime(2026, 11, 27, 8, tzinfo=UTC),
        datetime(2026, 11, 30, 8, tzinfo=UTC),
        datetime(2026, 12, 1, 8, tzinfo=UTC),
    ]


def test_an_occurrence_is_never_its_own_successor() -> None:
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert next_occurrence("0 12 * * *", "UTC", noon) == noon + timedelta(days=1)
    assert next_occurrence("0 12 * * *", "UTC", noon - timedelta(microseconds=1)) == noon


def test_an_hour_that_is_left_out_counts_at_the_change_and_the_next_day_as_ever() -> None:
    assert occurrences("30 2 * * *", BERLIN, datetime(2026, 3, 28, 12, tzinfo=UTC), 2) == [
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 3, 30, 0, 30, tzinfo=UTC),
    ]


def test_an_hour_that_comes_twice_is_due_once_also_where_it_is_asked_for_in_between() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert occurrences("30 2 * * *", BERLIN, datetime(2026, 10, 24, 12, tzinfo=UTC), 2) == [
        first,
        datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
    ]
    in_the_second_hour = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    assert next_occurrence("30 2 * * *", BERLIN, in_the_second_hour) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_every_hour_means_each_of_the_two_hours_as_well() -> None:
    hours = occurrences("0 * * * *", BERLIN, datetime(2026, 10, 24, 23, 30, tzinfo=UTC), 4)
    assert all(later - earlier == timedelta(hours=1) for earlier, later in pairwise(hours))


@given(
    st.sampled_from(["30 2 * * *", "*/15 * * * *", "0 1-3 * * *", "59 23 L * *", "0 0 1 1 *"]),
    st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
    st.integers(0, 2 * 365 * 86_400),
)
@settings(max_examples=200, deadline=None)
def test_time_only_moves_on(cron: str, zone: str, seconds: int) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    following = next_occurrence(cron, zone, begin)
    assert following is not None
    assert following > begin
    assert following.second == following.microsecond == 0


@pytest.mark.parametrize(
    ("cron", "zone", "problem"),
    [
        ("0 9 * *", "UTC", "cron: five fields"),
        ("0 0 9 * * *", "UTC", "cron: five fields"),
        ("@daily", "UTC", "cron: five fields"),
        ("", "UTC", "cron: five fields"),
        ("61 9 * * *", "UTC", "cron: bad minute"),
        ("0 25 * * *", "UTC", "cron: bad hour"),
        ("0 9 * * FUNDAY", "UTC", "cron: bad day-of-week"),
        ("0 9 30 2 *", "UTC", "cron: bad day-of-month"),
        ("9" * 5000 + " * * * *", "UTC", "cron: five fields"),
        ("1/1/1/1/1/1 * * * *", "UTC", "cron: bad minute"),
        ("0 9 * * *", "Mars/Olympus", "zone: not an IANA time zone"),
        ("0 9 * * *", "", "zone: not an IANA time zone"),
        ("0 9 * * *", "../../etc/passwd", "zone: not an IANA time zone"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused_by_name(cron: str, zone: str, problem: str) -> None:
    problems = problems_of_schedule(cron, zone)
    assert problem in "; ".join(problems)
    with pytest.raises(RejectedInput, match=r"^(cron|zone): "):
        next_occurrence(cron, zone, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_good_schedule_has_no_problems_and_one_that_never_comes_has() -> None:
    assert problems_of_schedule("0 9 * * MON-FRI", BERLIN) == []
    assert problems_of_schedule("0 0 */20 * 1L", "UTC") == ["cron: never due"]
    assert next_occurrence("0 0 */20 * 1L", "UTC", datetime(2026, 1, 1, tzinfo=UTC)) is None


@given(st.text(max_size=40) | st.lists(st.text("0123456789*,-/#LW", max_size=8), min_size=5, max_size=5).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_no_text_whatever_stops_the_reader(cron: str) -> None:
    assert isinstance(problems_of_schedule(cron, "UTC"), list)
