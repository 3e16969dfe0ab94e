"""The look ahead: the engine's decisions on a clock of its own, with limits, caps, windows and reactions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.models import Campaign, Capabilities, DueEnrollment, LatePolicy, Step, StepChannel, StepDelay
from crm_relay.campaigns.preview.simulate import Entry, Limits, Reaction, Simulation, simulate
from crm_relay.campaigns.variants import Variant
from crm_relay.mail.models import Identity
from crm_relay.rules.conditions import SkipCondition
from crm_relay.rules.send_windows import SendWindow, is_open

CAMPAIGN, ORG = UUID(int=1), UUID(int=2)
OFFICE = SendWindow(frozenset({"mon", "tue", "wed", "thu", "fri"}), time(9), time(17), "UTC")
MONDAY = datetime(2026, 11, 16, 9, tzinfo=UTC)
SENDER = Identity(None, "ada@example.com", postal_address="1 Example Street")
FREE = Limits(emails_per_minute=None)


def step(number: int, channel: StepChannel = StepChannel.EMAIL, **more: Any) -> Step:
    return Step(UUID(int=100 + number), number, channel, **more)


def campaign(*steps: Step, **more: Any) -> Campaign:
    return Campaign(CAMPAIGN, ORG, "Spring", OFFICE, steps, SENDER, **more)


def person(number: int = 0, due: datetime = MONDAY, **more: Any) -> DueEnrollment:
    fields = {"status": "active", "current_step": 0, "emails_sent": 0} | more.pop("fields", {})
    known: dict[str, Any] = {"contact_id": UUID(int=5000 + number), "address": f"person{number}@example.com"} | more
    return DueEnrollment(
        UUID(int=1000 + number), CAMPAIGN, current_step=0, due_at=due, fields=fields, contact={}, **known
    )


def run(plan: Campaign, people: Sequence[DueEnrollment], now: datetime = MONDAY, **more: Any) -> Simulation:
    return simulate(plan, people, now, **{"limits": FREE} | more)


def calendar(found: Simulation) -> list[tuple[int, str, datetime]]:
    return [(entry.step, entry.action, entry.at) for entry in found.calendar]


def test_a_sequence_goes_on_by_its_delays_inside_the_window() -> None:
    plan = campaign(
        step(1),
        step(2, StepChannel.WAIT, delay=StepDelay(rest=timedelta(hours=7))),
        step(3, StepChannel.LINKEDIN, delay=StepDelay(rest=timedelta(hours=4))),
        step(4, delay=StepDelay(days=4)),
    )

    found = run(plan, [person()])

    assert calendar(found) == [
        (1, "email", MONDAY),
        (2, "wait", MONDAY + timedelta(hours=7)),
        (3, "work", MONDAY + timedelta(days=1)),  # 20:00 is closed
        (4, "email", MONDAY + timedelta(days=7)),  # Saturday too
    ]
    assert found.ends == {"completed": 1}


def test_nothing_after_the_last_day_is_told() -> None:
    found = run(campaign(step(1), step(2, delay=StepDelay(days=10))), [person()], days=9)

    assert [entry.step for entry in found.calendar] == [1]
    assert found.ends == {"active": 1}


def test_the_tick_that_finds_a_step_does_not_push_the_next_one_along() -> None:
    late = MONDAY + timedelta(seconds=30)
    plan = campaign(step(1), step(2, delay=StepDelay(rest=timedelta(hours=1))))

    found = run(plan, [person(due=late)])

    assert [entry.at for entry in found.calendar] == [
        MONDAY + timedelta(minutes=1),
        MONDAY + timedelta(hours=1, minutes=1),
    ]


def test_a_minute_takes_no_more_mails_than_the_organization_may_send() -> None:
    people = [person(number) for number in range(250)]

    found = run(campaign(step(1)), people, limits=Limits(emails_per_minute=100))

    assert Counter(entry.at for entry in found.calendar) == {
        MONDAY: 100,
        MONDAY + timedelta(minutes=1): 100,
        MONDAY + timedelta(minutes=2): 50,
    }


def test_what_is_no_mail_waits_behind_no_limit() -> None:
    people = [person(number) for number in range(300)]

    found = run(campaign(step(1, StepChannel.TASK)), people, limits=Limits(emails_per_minute=1))

    assert {entry.at for entry in found.calendar} == {MONDAY}
    assert len(found.calendar) == 300


def test_a_limit_pushes_what_does_not_fit_before_the_window_closes_into_the_next_day() -> None:
    begin = MONDAY.replace(hour=16, minute=58)
    people = [person(number, begin) for number in range(30)]

    found = run(campaign(step(1)), people, begin, limits=Limits(emails_per_minute=10))

    assert Counter(entry.at.date() for entry in found.calendar) == {MONDAY.date(): 20, MONDAY.date() + timedelta(1): 10}
    assert found.held == {"window": 10}


def test_a_condition_sees_what_the_steps_before_it_did() -> None:
    skip = SkipCondition("emails_sent", "gte", 2)
    plan = campaign(step(1), step(2), step(3, conditions=(skip,)), step(4, StepChannel.PHONE))

    found = run(plan, [person()])

    assert [entry.action for entry in found.calendar] == ["email", "email", "skip", "work"]
    assert found.calendar[2].reason == "condition: emails_sent gte"


@pytest.mark.parametrize(("sms", "action", "reason"), [(True, "sms", None), (False, "skip", "sms_not_configured")])
def test_a_text_goes_where_the_installation_can_send_one(sms: bool, action: str, reason: str | None) -> None:
    found = run(campaign(step(1, StepChannel.SMS)), [person(phone="+14155550100")], can=Capabilities(sms))

    assert [(entry.action, entry.reason) for entry in found.calendar] == [(action, reason)]


def test_a_cap_holds_mails_until_the_person_may_get_another() -> None:
    plan = campaign(*(step(number, delay=StepDelay(rest=timedelta(hours=1))) for number in (1, 2, 3)))
    limits = Limits(None, cap_emails=2, cap_days=7)

    found = run(plan, [person()], limits=limits)

    first, second, third = (entry.at for entry in found.calendar)
    assert (first, second, third) == (MONDAY, MONDAY + timedelta(hours=1), MONDAY + timedelta(days=7))
    assert found.held == {"frequency_cap": 1}


def test_mails_of_before_count_towards_the_cap() -> None:
    limits, before = Limits(None, cap_emails=1, cap_days=2), MONDAY - timedelta(days=1)

    found = run(campaign(step(1)), [person()], limits=limits, mails_before={person().id: [before]})

    assert [entry.at for entry in found.calendar] == [MONDAY + timedelta(days=1)]


def test_each_person_gets_the_variant_that_the_engine_would_choose() -> None:
    plan = campaign(step(1, variants=(Variant("a", 1), Variant("b", 1))))
    people = [person(number) for number in range(200)]

    first, again = (run(plan, people) for _ in range(2))

    assert first == again
    assert {entry.variant for entry in first.calendar} == {"a", "b"}


def test_nobody_reacts_unless_somebody_says_so() -> None:
    plan = campaign(step(1), step(2, delay=StepDelay(days=1)))
    opens = [Reaction("opened", timedelta(hours=1))]

    assert run(plan, [person()]).ends == {"completed": 1}
    seen = run(plan, [person()], engagement=lambda *_: opens, days=1)
    assert seen.ends == {"engaged": 1}


def test_a_reply_ends_the_sequence_where_a_step_stops_on_one() -> None:
    replies = [Reaction("replied", timedelta(hours=2))]

    def found(*, stops: bool) -> Simulation:
        plan = campaign(step(1, stop_on_reply=stops), step(2, delay=StepDelay(days=1), stop_on_reply=False))
        return run(plan, [person()], engagement=lambda *_: replies)

    assert (found(stops=True).ends, len(found(stops=True).calendar)) == ({"replied": 1}, 1)
    assert (found(stops=False).ends, len(found(stops=False).calendar)) == ({"completed": 1}, 2)


def test_opens_reach_the_conditions_of_later_steps() -> None:
    skip = SkipCondition("emails_opened", "gt", 0)
    plan = campaign(step(1), step(2, delay=StepDelay(days=1), conditions=(skip,)))
    opens = [Reaction("opened", timedelta(minutes=5))]

    actions = [entry.action for entry in run(plan, [person()], engagement=lambda *_: opens).calendar]

    assert actions == ["email", "skip"]


def test_whoever_may_get_nothing_is_stopped_and_told_why() -> None:
    people = [person(0, suppressed_by="opt_out"), person(1, contact_deleted=True), person(2, topic_opt_out=True)]

    found = run(campaign(step(1), topic="news"), people)

    assert [(entry.action, entry.reason) for entry in found.calendar] == [
        ("stop", "opt_out"),
        ("stop", "contact_deleted"),
        ("stop", "topic_opt_out"),
    ]
    assert found.ends == {"stopped": 1, "unsubscribed": 2}


def test_recipients_are_written_to_on_their_own_clocks() -> None:
    plan = replace(campaign(step(1), step(2, delay=StepDelay(rest=timedelta(hours=1)))), use_recipient_timezone=True)

    found = run(plan, [person(0, timezone="Asia/Tokyo"), person(1, timezone="Nowhere"), person(2)])

    for entry in found.calendar:
        zone = "Asia/Tokyo" if entry.contact_id == UUID(int=5000) else "UTC"
        assert is_open(OFFICE.in_zone(zone), entry.at)


def test_what_is_late_is_skipped_where_the_campaign_says_so() -> None:
    plan = replace(campaign(step(1), step(2, delay=StepDelay(days=1))), late_policy=LatePolicy.SKIP)

    found = run(plan, [person(due=MONDAY - timedelta(days=3))])

    assert [(entry.action, entry.reason) for entry in found.calendar] == [("skip", "late"), ("email", None)]


def test_the_same_question_has_the_same_answer_whatever_order_the_people_come_in() -> None:
    plan = campaign(
        step(1),
        step(2, delay=StepDelay(rest=timedelta(minutes=30))),
        step(3, StepChannel.TASK, delay=StepDelay(rest=timedelta(hours=3))),
    )
    people = [person(number, MONDAY + timedelta(seconds=number * 7 % 90)) for number in range(120)]

    def sorted_calendar(order: list[DueEnrollment]) -> list[Entry]:
        found = run(plan, order, limits=Limits(emails_per_minute=25))
        return sorted(found.calendar, key=lambda entry: (entry.enrollment_id, entry.step))

    assert sorted_calendar(people) == sorted_calendar(people[::-1])
    assert len(sorted_calendar(people)) == 360
