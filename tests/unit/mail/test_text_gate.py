"""The gate of text messages: what keeps one here, for how long, and which reason comes first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.mail.models import Fate, Mode, SendPolicy
from crm_relay.mail.sending.gate import GateVerdict
from crm_relay.mail.texts.gate import judge_text
from crm_relay.mail.texts.models import QueuedText

NOON = datetime(2026, 11, 16, 12, 0, tzinfo=UTC)
NUMBER = "+15550100001"
LIVE = SendPolicy(Mode.LIVE)
TEXT = QueuedText(
    id=UUID(int=1),
    org_id=UUID(int=2),
    enrollment_id=UUID(int=3),
    sequence_id=UUID(int=4),
    to_number=NUMBER,
    body="Hi",
    attempts=1,
    first_attempt_at=NOON,
    is_suppressed=False,
    send_days=["mon", "tue", "wed", "thu", "fri"],
    send_window_start="09:00",
    send_window_end="17:00",
    campaign_zone="UTC",
    recipient_zone=None,
    ended_by=None,
    is_campaign_paused=False,
)


def test_a_message_that_nothing_keeps_may_leave() -> None:
    assert judge_text(TEXT, LIVE, NOON).may_leave


REFUSALS: list[tuple[dict[str, Any], SendPolicy, GateVerdict]] = [
    ({"to_number": None}, LIVE, GateVerdict(Fate.REFUSED, reason="erased")),
    ({"body": None}, LIVE, GateVerdict(Fate.REFUSED, reason="erased")),
    ({"is_suppressed": True}, LIVE, GateVerdict(Fate.REFUSED, reason="sms_opt_out")),
    ({"ended_by": "replied"}, LIVE, GateVerdict(Fate.REFUSED, reason="replied")),
    ({}, SendPolicy(), GateVerdict(Fate.DRY_RUN, reason="dry_run")),
    ({}, SendPolicy(Mode.ALLOW_LIST), GateVerdict(Fate.DRY_RUN, reason="not_on_allow_list")),
]


@pytest.mark.parametrize(("changed", "policy", "verdict"), REFUSALS)
def test_what_keeps_a_message_here_for_good(changed: dict[str, Any], policy: SendPolicy, verdict: GateVerdict) -> None:
    assert judge_text(replace(TEXT, **changed), policy, NOON) == verdict


def test_a_number_on_the_allow_list_may_be_written_to() -> None:
    assert judge_text(TEXT, SendPolicy(Mode.ALLOW_LIST, frozenset({NUMBER})), NOON).may_leave


def test_a_paused_campaign_is_looked_at_again_in_a_quarter_of_an_hour() -> None:
    verdict = judge_text(replace(TEXT, is_campaign_paused=True), LIVE, NOON)
    assert verdict == GateVerdict(until=NOON + timedelta(minutes=15), reason="campaign_paused")


def test_outside_its_window_a_message_waits_until_it_opens() -> None:
    verdict = judge_text(TEXT, LIVE, NOON + timedelta(hours=6))
    assert verdict == GateVerdict(until=datetime(2026, 11, 17, 9, 0, tzinfo=UTC), reason="window")


def test_a_window_that_cannot_be_read_keeps_the_message_and_raises_nothing() -> None:
    verdict = judge_text(replace(TEXT, campaign_zone="Nowhere"), LIVE, NOON)
    assert verdict == GateVerdict(until=NOON + timedelta(minutes=15), reason="no_window")


def test_who_may_not_be_written_to_is_refused_before_anything_makes_the_message_wait() -> None:
    both = replace(TEXT, is_suppressed=True, ended_by="replied", is_campaign_paused=True)
    assert judge_text(both, SendPolicy(), NOON).reason == "sms_opt_out"
