"""The rules of the integrity checks, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_relay.edge_cache.keys import content_hash
from crm_relay.edge_cache.models import CacheItem
from crm_relay.integrity.decisions import (
    STATUSES,
    EmailState,
    EnrollmentState,
    difference,
    implied_by_log,
    implied_by_times,
    may_mend,
    problems_of,
    problems_of_enrollment,
    suspects_among,
)
from crm_relay.integrity.models import Fingerprint

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROW = UUID(int=7)
TIMES = st.one_of(st.none(), st.integers(-20, 20).map(lambda minutes: NOW + timedelta(minutes=minutes)))
STATES = st.builds(
    EmailState,
    direction=st.sampled_from(["outbound", "inbound"]),
    status=st.sampled_from([None, "unheard", *STATUSES]),
    sent_at=TIMES,
    opened_at=TIMES,
    clicked_at=TIMES,
    replied_at=TIMES,
    bounced_at=TIMES,
    is_answered=st.booleans(),
)


@given(STATES)
def test_a_state_that_was_mended_breaks_no_rule(state: EmailState) -> None:
    values = implied_by_times(state)
    if values is not None and problems_of(state):
        after = EmailState(**{**{name: getattr(state, name) for name in EmailState.__dataclass_fields__}, **values})
        assert problems_of(after) == []


@given(STATES)
def test_no_time_is_invented_and_none_is_forgotten(state: EmailState) -> None:
    values = implied_by_times(state) or {}
    for name, at in values.items():
        if name != "status":
            assert at == state.sent_at
            assert getattr(state, name) is not None


@given(
    st.builds(
        EnrollmentState,
        status=st.sampled_from(["active", "engaged", "paused", "replied", "stopped", "completed"]),
        current_step=st.integers(0, 9),
        next_step_at=st.one_of(st.none(), st.just(NOW)),
        last_step=st.integers(3, 6),
        logged_step=st.integers(0, 3),
        is_running=st.booleans(),
    )
)
def test_a_place_that_was_mended_breaks_no_rule_and_what_broke_none_is_not_touched(state: EnrollmentState) -> None:
    values = implied_by_log(state)
    if values is None:
        assert "live without next_step_at" in problems_of_enrollment(state)
        return
    assert problems_of_enrollment(replace(state, **values)) == []
    assert bool(values) == bool(problems_of_enrollment(state))


def item(*, version: int = 3, doc: str | None = "{}", edited_at: datetime | None = None) -> CacheItem:
    return CacheItem("prospects", ROW, version, doc, NOW, NOW, edited_at=edited_at)


SAME = Fingerprint(3, content_hash(ROW, 3, "{}"))


@pytest.mark.parametrize(
    ("row", "there", "what"),
    [
        (SAME, item(), None),
        (None, None, None),
        (None, item(doc=None), None),
        (SAME, None, "missing at the edge"),
        (SAME, item(doc=None), "missing at the edge"),
        (None, item(), "only at the edge"),
        (SAME, item(version=4), "another version at the edge"),
        (SAME, item(doc='{"a": 1}'), "other content at the edge"),
        (SAME, item(doc='{"a": 1}', edited_at=NOW), None),
    ],
)
def test_sides_differ_by_what_they_hold(row: Fingerprint | None, there: CacheItem | None, what: str | None) -> None:
    assert difference(row, there) == what


def test_what_is_on_its_way_is_no_suspect() -> None:
    assert suspects_among("prospects", {ROW: SAME}, [], {ROW}) == []
    (suspect,) = suspects_among("prospects", {ROW: SAME}, [], set())
    assert (suspect.row_id, suspect.what) == (ROW, "missing at the edge")


def test_the_cap_is_the_most_that_is_mended_unasked() -> None:
    assert may_mend(100, cap=100, approved=False)
    assert not may_mend(101, cap=100, approved=False)
    assert may_mend(101, cap=100, approved=True)
