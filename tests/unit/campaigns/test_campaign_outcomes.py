"""What a decision leaves behind, and what the fate of a mail means; pure."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from crm_relay.campaigns.content import content_of, letter_of, text_of
from crm_relay.campaigns.engine.outcomes import failed, outcome_of, send_key, work_of
from crm_relay.campaigns.engine.settle import line_of
from crm_relay.campaigns.models import Act, Campaign, DueEnrollment, Step, StepChannel, StepDecision
from crm_relay.campaigns.variants import Variant
from crm_relay.mail.models import Fate, Settled
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.send_windows import SendWindow

NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
WINDOW = SendWindow.of(["mon", "tue", "wed", "thu", "fri"], "09:00", "17:00", "America/New_York")


def enrolled(**columns: Any) -> DueEnrollment:
    given: dict[str, Any] = {
        "id": uuid4(),
        "campaign_id": uuid4(),
        "contact_id": uuid4(),
        "current_step": 0,
        "due_at": NOW,
        "fields": {},
        "contact": {"email": "Ada@Example.com", "first_name": "Ada"},
        "address": "ada@example.com",
        **columns,
    }
    return DueEnrollment(**given)


def step(channel: StepChannel = StepChannel.EMAIL, **columns: Any) -> Step:
    return Step(uuid4(), 3, channel, **columns)


def campaign(*steps: Step) -> Campaign:
    return Campaign(uuid4(), uuid4(), "Spring", WINDOW, steps, topic="news")


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (Act.EMAIL, "pending"),
        (Act.SMS, "pending"),
        (Act.WORK, "sent"),
        (Act.WAIT, "sent"),
        (Act.SKIP, "skipped"),
        (Act.STOP, "stopped"),
    ],
)
def test_a_step_that_was_reached_gets_its_line(act: Act, line: str) -> None:
    who, what = enrolled(), step(StepChannel.TASK)
    outcome = outcome_of(StepDecision(who.id, act, what, next_at=LATER), who, NOW)
    assert (outcome.line, outcome.current_step, outcome.sequence_id) == (line, 3, what.id)
    # What is sent is settled before the next step is due.
    assert outcome.next_step_at == (None if line == "pending" else LATER)
    assert (outcome.activity is not None) == (act is Act.WORK)


def test_a_step_that_was_moved_has_no_line_and_says_why() -> None:
    who = enrolled()
    outcome = outcome_of(StepDecision(who.id, Act.MOVE, reason="window", next_at=LATER), who, NOW)
    assert (outcome.line, outcome.current_step, outcome.held_for) == (None, None, "window")
    assert outcome.next_step_at == LATER


@pytest.mark.parametrize(("status", "expected"), [(None, "completed"), ("replied", "replied")])
def test_the_last_step_completes_unless_something_else_ended_it(status: str | None, expected: str) -> None:
    who = enrolled()
    act = Act.WAIT if status is None else Act.STOP
    assert outcome_of(StepDecision(who.id, act, step(), status=status), who, NOW).status == expected


@pytest.mark.parametrize("hours", [None, 0, -3, "48", True, 1e12, float("nan"), [], {}])
def test_a_due_time_that_is_none_is_a_day(hours: Any) -> None:
    assert work_of(step(StepChannel.TASK, task={"due_hours": hours}), enrolled(), NOW).due_date == NOW + timedelta(
        hours=24
    )


@pytest.mark.parametrize("task", [{"title": 7, "priority": None, "description": []}, {"title": "  "}, {}])
def test_work_without_words_has_the_documents(task: dict[str, Any]) -> None:
    work = work_of(step(StepChannel.PHONE, task=task), enrolled(), NOW)
    assert (work.subject, work.priority, work.description) == ("Call: Campaign follow-up call", "normal", None)


def test_an_error_is_no_line_and_is_tried_again() -> None:
    outcome = failed(enrolled(fields={"error_count": 1}), "why", LATER)
    assert (outcome.line, outcome.error, outcome.next_step_at, outcome.current_step) == (None, "why", LATER, None)


def test_the_third_error_pauses_and_the_second_does_not() -> None:
    paused = [failed(enrolled(fields={"error_count": count}), "why", LATER) for count in (1, 2)]
    assert [(each.status, each.next_step_at) for each in paused] == [(None, LATER), ("paused", None)]


@pytest.mark.parametrize(
    ("fate", "reason", "line", "is_error", "ends_as"),
    [
        (Fate.SENT, None, ("sent", None), False, None),
        (Fate.DRY_RUN, "dry_run", ("skipped", "dry_run"), False, None),
        (Fate.DRY_RUN, "not_on_allow_list", ("skipped", "not_on_allow_list"), False, None),
        (Fate.REFUSED, "opt_out", ("stopped", "opt_out"), False, "unsubscribed"),
        (Fate.REFUSED, "hard_bounce", ("stopped", "hard_bounce"), False, "bounced"),
        (Fate.REFUSED, "replied", ("stopped", "replied"), False, None),
        (Fate.REFUSED, "late", ("skipped", "late"), False, None),
        (Fate.REFUSED, "contact_deleted", ("stopped", "contact_deleted"), False, "stopped"),
        (Fate.FAILED, "invalid", ("failed", "invalid"), True, None),
        (Fate.UNKNOWN, "not known in time", ("failed", "unknown"), False, None),
    ],
)
def test_every_fate_ends_the_line(
    fate: Fate, reason: str | None, line: tuple[str, str | None], ends_as: str | None, *, is_error: bool
) -> None:
    found = line_of(Settled(uuid4(), fate, reason))
    assert ((found.line, found.reason), found.is_error, found.ends_as) == (line, is_error, ends_as)


def test_a_variant_comes_before_the_step_and_a_body_comes_from_one_place() -> None:
    what = step(subject="Step", body_html="<p>Step</p>", body_text="Step")
    assert content_of(what, None).text == "Step"
    assert content_of(what, Variant("a", 1, subject="Variant")).html == "<p>Step</p>"
    only_html = content_of(what, Variant("a", 1, body_html="<p>Variant</p>"))
    assert (only_html.subject, only_html.html, only_html.text) == ("Step", "<p>Variant</p>", "")


def test_a_letter_has_both_forms_and_its_key_is_of_the_person_and_the_step() -> None:
    who, what = (
        enrolled(),
        step(subject="Hi {{contact.first_name}}", body_html="<p>{{contact.first_name}} &amp; you</p>"),
    )
    letter = letter_of(StepDecision(who.id, Act.EMAIL, what), who, campaign(what))
    assert (letter.subject, letter.html, letter.text) == ("Hi Ada", "<p>Ada &amp; you</p>", "Ada & you")
    assert (letter.recipient, letter.address, letter.topic) == ("Ada@Example.com", "ada@example.com", "news")
    assert letter.send_key == send_key(who.id, what) == f"enrollment:{who.id}:step:{what.id}"


@pytest.mark.parametrize(
    "content",
    [
        {"subject": "", "body_html": "<p>x</p>"},
        {"subject": "x", "body_html": " "},
        {"subject": "x\r\nBcc: y@example.com", "body_html": "<p>x</p>"},
        {"subject": "{{contact.secret}}", "body_html": "<p>x</p>"},
        {"subject": "x", "body_html": "<p>{{ }}</p>"},
    ],
)
def test_a_letter_that_cannot_be_made_is_refused_without_a_value(content: dict[str, Any]) -> None:
    who, what = enrolled(), step(**content)
    with pytest.raises(RejectedInput) as error:
        letter_of(StepDecision(who.id, Act.EMAIL, what), who, campaign(what))
    assert "Ada" not in f"{error.value} {error.value.details}"


def test_a_text_message_is_the_plain_text() -> None:
    who, what = enrolled(phone="+15550100001"), step(StepChannel.SMS, body_text="Hi {{contact.first_name}} & co")
    text = text_of(StepDecision(who.id, Act.SMS, what), who, campaign(what))
    assert (text.to_number, text.body) == ("+15550100001", "Hi Ada & co")
    with pytest.raises(RejectedInput):
        text_of(StepDecision(who.id, Act.SMS, step(StepChannel.SMS)), who, campaign(what))
