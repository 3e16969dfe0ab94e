"""A campaign file is refused with everything that is wrong with it, each by the path of its field."""

from typing import Any

import pytest

from crm_relay.campaigns.definition.campaign_file import read_definition
from crm_relay.campaigns.definition.check_definition import CampaignDraft, check_definition
from crm_relay.platform.errors import RejectedInput
from tests.support.campaigns.campaign_files import ADDRESS, file, identity, mail, references, template

Path = tuple[str, ...]


def draft(given: dict[str, Any], **known: Any) -> CampaignDraft:
    return check_definition(read_definition(given), references(*known.pop("templates", ()), **known))


def refused(given: dict[str, Any], **known: Any) -> tuple[str, ...]:
    with pytest.raises(RejectedInput) as caught:
        draft(given, **known)
    assert caught.value.status == 422
    return caught.value.details


def paths(details: tuple[str, ...]) -> list[str]:
    return [detail.partition(": ")[0] for detail in details]


def test_a_file_with_a_name_and_one_mail_has_the_documented_defaults() -> None:
    made = draft(file())

    assert made.campaign == {
        "name": "Spring",
        "description": None,
        "send_days": ["mon", "tue", "wed", "thu", "fri"],
        "send_window_start": "09:00",
        "send_window_end": "17:00",
        "timezone": "America/New_York",
        "use_recipient_timezone": False,
        "topic": None,
        "late_policy": "send",
        "late_minutes": 60,
        "stop_company_on_reply": False,
    }
    (step,) = made.steps
    assert (step["step_number"], step["stop_on_reply"], step["is_active"], step["ab_variants"]) == (1, True, True, None)


def test_every_part_of_a_file_arrives_in_its_column() -> None:
    step = mail(
        delay={"days": 1, "hours": 2, "minutes": 3},
        variants=[{"id": "a"}, {"id": "b", "subject": "Other", "weight": 3}],
        body_html='<p>Hi</p><a href="https://example.com">Look</a>',
        ab_test={"metric": "clicked"},
        skip_conditions=[{"field": "emails_opened", "operator": "gte", "value": 1}],
        stop_on_reply=False,
    )
    task = {"channel": "task", "task": {"title": "Look at it", "due_hours": 4}, "active": False}
    made = draft(file(step, task, zone="Asia/Kolkata", topic="news", late_policy="send_within", late_minutes=5))

    assert (made.campaign["timezone"], made.campaign["topic"]) == ("Asia/Kolkata", "news")
    first, second = made.steps
    assert [first[f"delay_{unit}"] for unit in ("days", "hours", "minutes")] == [1, 2, 3]
    assert first["ab_variants"] == [{"id": "a", "weight": 1}, {"id": "b", "weight": 3, "subject": "Other"}]
    assert first["ab_test"]["metric"] == "clicked"
    assert first["skip_conditions"] == [{"field": "emails_opened", "operator": "gte", "value": 1}]
    assert second["task_config"] == {"title": "Look at it", "priority": "normal", "due_hours": 4}
    assert (second["step_number"], second["is_active"], first["stop_on_reply"]) == (2, False, False)


SHAPES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["name", "steps"]),
    (file(nmae="x"), ["nmae"]),
    (file() | {"steps": []}, ["steps"]),
    (file(mail(subjct="x")), ["steps.0.subjct"]),
    (file({"channel": "fax"}), ["steps.0.channel"]),
    (file(mail(delay={"days": -1})), ["steps.0.delay.days"]),
    (file(window={"days": [], "start": "9:00", "end": "25:00"}), ["window.days", "window.start", "window.end"]),
    (file(window={"days": ["monday"]}), ["window.days.0"]),
    (file(topic="All News"), ["topic"]),
    (file(late_policy="sometimes", late_minutes=0), ["late_policy", "late_minutes"]),
    (file(identity={"from_address": "nobody"}), ["identity.from_address"]),
    (
        file(mail(variants=[{"id": "a b"}, {"id": "b", "weight": 0}])),
        ["steps.0.variants.0.id", "steps.0.variants.1.weight"],
    ),
    (file(mail(ab_test={"alpha": 2, "metric": "sold"})), ["steps.0.ab_test.metric", "steps.0.ab_test.alpha"]),
    (file(mail(subject="x\x00")), ["steps.0.subject"]),
]


@pytest.mark.parametrize(("given", "expected"), SHAPES, ids=[",".join(expected) for _, expected in SHAPES])
def test_a_shape_that_is_wrong_is_refused_by_its_path(given: dict[str, Any], expected: list[str]) -> None:
    assert paths(refused(given)) == expected


AB = [{"id": "a"}, {"id": "b", "subject": "Other"}]
CONTENTS: list[tuple[dict[str, Any], list[str]]] = [
    (file(zone="Mars/Olympus"), ["zone"]),
    (file(window={"start": "09:00", "end": "09:00"}), ["window"]),
    (file(mail(active=False)), ["steps"]),
    (file(mail(subject="Hi {{contact.name}}")), ["steps.0.subject"]),
    (file(mail(subject="Hi\r\nBcc: eve@example.com")), ["steps.0.subject"]),
    (file(mail(body_html="<p>{{contact.shoe_size}}</p>")), ["steps.0.body_html"]),
    (file(mail(body_html="<p>{{</p>")), ["steps.0.body_html"]),
    (file(mail(body_html="<script>steal()</script>")), ["steps.0.body_html"]),
    (file(mail(body_html="<p onclick='x()'>Hi</p>")), ["steps.0.body_html"]),
    (file(mail(body_html='<a href="javascript:x()">Hi</a>')), ["steps.0.body_html"]),
    (file(mail(body_html="<a href={{contact.email}}>Hi</a>")), ["steps.0.body_html"]),
    (file(mail(body_html="<p>Hi</p><a href='x'")), ["steps.0.body_html"]),
    (file(mail(subject=...)), ["steps.0.subject"]),
    (file(mail(body_html=...)), ["steps.0.body_html"]),
    (file(mail(subject=" ")), ["steps.0.subject", "steps.0.subject"]),
    (file({"channel": "sms"}), ["steps.0.body_text"]),
    (file({"channel": "sms", "body_text": "x" * 1601}), ["steps.0.body_text"]),
    (file({"channel": "sms", "body_text": "Hi {{contact.nick}}"}), ["steps.0.body_text"]),
    (file({"channel": "task"}), ["steps.0.task.title"]),
    (file({"channel": "task", "task": {"title": "Call {{contact.email}}"}}), ["steps.0.task.title"]),
    (file({"channel": "wait", "subject": "Hi"}), ["steps.0.subject"]),
    (file({"channel": "phone", "task": {"title": "Ring"}, "body_text": "Hi"}), ["steps.0.body_text"]),
    (file(mail(template="gone")), ["steps.0.template"]),
    (file(mail(variants=[{"id": "a"}, {"id": "a", "subject": "x"}])), ["steps.0.variants"]),
    (file(mail(variants=[{"id": "a"}])), ["steps.0.variants"]),
    (file(mail(variants=[{"id": "a"}, {"id": "b"}])), ["steps.0.variants.1"]),
    (file(mail(variants=[{"id": "a"}, {"id": "b", "subject": "{{x}}"}])), ["steps.0.variants.1.subject"]),
    (file(mail(ab_test={})), ["steps.0.ab_test"]),
    (file(mail(variants=AB, ab_test={"wait_hours": 0})), ["steps.0.ab_test.wait_hours"]),
    (file({"channel": "sms", "body_text": "Hi", "variants": AB, "ab_test": {}}), ["steps.0.ab_test"]),
    (
        file(mail(variants=AB, ab_test={"metric": "clicked"})),
        ["steps.0.variants.0.body_html", "steps.0.variants.1.body_html"],
    ),
    (
        file(mail(body_html=..., body_text="Hi", variants=AB, ab_test={})),
        ["steps.0.variants.0.body_html", "steps.0.variants.1.body_html"],
    ),
    (file(identity={"from_address": ADDRESS, "from_name": "Ada\nBcc: x"}), ["identity.from_name"]),
    (file(mail(skip_conditions=[{"field": "shoe_size", "operator": "eq", "value": 1}])), ["steps.0.skip_conditions.0"]),
    (
        file(mail(skip_conditions=[{"field": "emails_opened", "operator": "is", "value": 1}])),
        ["steps.0.skip_conditions.0"],
    ),
]


@pytest.mark.parametrize(
    ("given", "expected"), CONTENTS, ids=lambda value: ",".join(value) if isinstance(value, list) else ""
)
def test_what_would_go_wrong_when_it_is_sent_is_refused_when_it_is_saved(
    given: dict[str, Any], expected: list[str]
) -> None:
    found = paths(refused(given))

    assert [path[: len(wanted)] for path, wanted in zip(found, expected, strict=True)] == expected


def test_all_problems_of_a_file_are_told_at_once() -> None:
    given = file(mail(subject="{{a}}"), {"channel": "task"}, mail(body_html="{{b}}"), zone="Nowhere")

    assert paths(refused(given)) == ["zone", "steps.0.subject", "steps.1.task.title", "steps.2.body_html"]


def test_what_is_told_names_fields_and_never_what_stands_in_them() -> None:
    secret = "the-secret-of-somebody"
    given = file(mail(subject=f"{secret}\n"), identity={"from_address": f"{secret}@@example.com"}, zone=secret)

    assert secret not in str(_all_of(given))
    assert secret not in str(_all_of(file(mail(subject=f"{secret}\n"), zone=secret)))


def _all_of(given: dict[str, Any]) -> tuple[str, ...]:
    return refused(given)


def test_what_a_step_lacks_comes_from_its_template() -> None:
    step = {"channel": "email", "template": "welcome"}
    made = draft(file(step), templates=[template()])

    assert made.steps[0]["template_id"] is not None
    assert paths(refused(file(step), templates=[template(subject=None)])) == ["steps.0.subject"]
    assert paths(refused(file(step), templates=[template(body_html=None)])) == ["steps.0.body_html"]


def test_a_template_is_checked_as_far_as_it_is_used() -> None:
    bad = template(subject="{{nobody.knows}}", body_html="<script></script>")

    assert paths(refused(file({"channel": "email", "template": "welcome"}), templates=[bad])) == [
        "steps.0.template.subject",
        "steps.0.template.body_html",
    ]
    assert draft(file(mail(template="welcome")), templates=[bad])


def test_a_body_comes_from_one_place_in_both_forms() -> None:
    """The template's HTML is not sent beside a text of the step's own."""
    step = {"channel": "sms", "template": "welcome"}

    assert paths(refused(file(step), templates=[template()])) == ["steps.0.body_text"]
    assert draft(file(step), templates=[template(body_text="Hi")])


def test_each_variant_needs_a_subject_and_a_body_of_some_place() -> None:
    both = [{"id": "a", "subject": "A", "body_text": "a"}, {"id": "b", "subject": "B"}]

    assert paths(refused(file(mail(subject=..., body_html=..., variants=both)))) == ["steps.0.variants.1.body_html"]


def test_a_new_sender_is_made_with_the_campaign_and_a_known_one_is_used_as_it_is() -> None:
    sender = {"from_address": ADDRESS, "from_name": "Ada"}
    new, known = draft(file(identity=sender)), draft(file(identity=sender), identity=identity())

    assert new.new_identity is not None
    assert new.new_identity["from_name"] == "Ada"
    assert new.identity_id is None
    assert (known.new_identity, known.identity_id is None) == (None, False)


def test_a_campaign_does_not_change_the_sender_of_others() -> None:
    sender = {"from_address": ADDRESS, "from_name": "Eve", "reply_to": "eve@example.com"}

    assert paths(refused(file(identity=sender), identity=identity())) == ["identity.from_name", "identity.reply_to"]
