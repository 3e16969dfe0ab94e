"""Which replies end a sequence, which wait, and which are given up."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.replies import ends_sequence, look_at

NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
ITEM, PERSON = UUID(int=1), UUID(int=2)


def reply(**columns: Any) -> dict[str, Any]:
    facts = {"follows_stopping_step": True, "has_stopping_step": True, "lacks_headers": False, "is_auto_reply": False}
    known = {
        "inbox_item_id": ITEM,
        "enrollment_id": PERSON,
        "thread_id": "<t@x>",
        "source": "resend",
        "received_at": NOW,
    }
    return known | facts | columns


@pytest.mark.parametrize(
    ("columns", "ends"),
    [
        ({}, True),
        ({"is_auto_reply": True}, False),
        ({"follows_stopping_step": False}, False),
        ({"follows_stopping_step": False, "source": "bison"}, True),
        ({"follows_stopping_step": False, "has_stopping_step": False, "source": "bison"}, False),
        ({"source": "bison", "is_auto_reply": True}, False),
        ({"follows_stopping_step": False, "source": "gmail"}, True),
        ({"source": "gmail", "is_auto_reply": True}, False),
    ],
)
def test_a_persons_reply_to_a_step_that_asks_for_it_ends_the_sequence(columns: dict[str, Any], ends: bool) -> None:
    assert ends_sequence(reply(**columns)) is ends
    assert look_at([reply(**columns)], NOW).answered == ([PERSON] if ends else [])


def test_a_reply_waits_a_quarter_of_an_hour_for_its_headers() -> None:
    waiting = reply(lacks_headers=True)
    assert look_at([waiting], NOW + timedelta(minutes=14)).looked_at == {}
    assert look_at([waiting], NOW + timedelta(minutes=15)).answered == [PERSON]


def test_a_reply_that_belongs_to_nobody_yet_waits_two_days_for_its_mail() -> None:
    unknown = reply(enrollment_id=None)
    assert look_at([unknown], NOW + timedelta(days=2)).looked_at == {}
    assert look_at([unknown], NOW + timedelta(days=2, seconds=1)).looked_at == {ITEM: (None, None)}
    assert look_at([reply(enrollment_id=None, source="bison")], NOW).looked_at == {ITEM: (None, None)}
    in_mailbox = reply(enrollment_id=None, source="gmail")
    assert look_at([in_mailbox], NOW + timedelta(hours=1)).looked_at == {}
    assert look_at([in_mailbox], NOW + timedelta(hours=1, seconds=1)).looked_at == {ITEM: (None, None)}


def test_of_several_enrollments_the_reply_is_filed_under_one_that_it_ends() -> None:
    other = UUID(int=1)
    rows = [reply(enrollment_id=other, follows_stopping_step=False), reply()]
    assert look_at(rows, NOW).looked_at == {ITEM: (PERSON, "<t@x>")}
