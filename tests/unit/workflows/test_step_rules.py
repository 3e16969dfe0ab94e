"""Each kind of step is proven by rules of its own."""

from typing import Any

import pytest

from tests.support.workflows.proven_programs import STRANGER, problems_of_step_with


def asks(*approvers: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {"approvers": list(approvers), **config}


@pytest.mark.parametrize(
    ("kind", "config", "problem"),
    [
        ("send_email", {"subject": "S"}, "config: one of templateId, templateSlug, or subject with html or text"),
        ("send_email", {"templateSlug": "welcome", "subject": "S", "text": "T"}, "config: one of templateId"),
        (
            "send_email",
            {"templateSlug": "goodbye"},
            "config.templateSlug: this organization has no active e-mail template",
        ),
        ("send_email", {"templateId": STRANGER}, "config.templateId: this organization has no active e-mail template"),
        ("send_email", {"templateSlug": "broken"}, "in the template, contact.shoe_size: contacts has no such column"),
        ("send_email", {"templateSlug": "broken"}, "in the template, a {{ that begins no variable"),
        ("send_email", {"templateSlug": "welcome", "to": "the boss"}, "config.to: an e-mail address, or a variable"),
        ("send_email", {"subject": "{{ x", "text": "T"}, "config.subject: a {{ that begins no variable"),
        ("send_notification", {"title": "T", "to": "owner"}, "config: a templateSlug, or title and message"),
        ("send_notification", {"title": "T", "message": "M"}, "config: somebody to notify: userId, to or role"),
        (
            "send_notification",
            {"templateSlug": "x", "to": "owner"},
            "config.templateSlug: there is no active notification",
        ),
        ("send_notification", {"title": "T", "message": "M", "role": "boss"}, "config.role: no active colleague"),
        (
            "send_notification",
            {"title": "T", "message": "M", "userId": STRANGER},
            "config.userId: no active colleague",
        ),
        ("send_notification", {"title": "T", "message": "M", "userId": "Ada"}, "config.userId: the id of a colleague"),
        ("create_task", {"title": "T", "assigneeId": STRANGER}, "config.assigneeId: no active colleague"),
        ("create_task", {"title": "{{deal.colour}}"}, "config.title: deal.colour: deals has no such column"),
        ("create_activity", {"subject": "{{deal.colour}}"}, "config.subject: deal.colour"),
        (
            "update_field",
            {"field": "org_id", "value": STRANGER},
            "config.field: a column that a workflow may write: closed_at",
        ),
        ("update_field", {"field": "owner_id", "value": STRANGER}, "config.field: a column that a workflow may write"),
        ("update_field", {"field": "id", "value": STRANGER}, "config.field: a column that a workflow may write"),
        ("update_field", {"field": "currency", "value": "EUR"}, "config.field: a column that a workflow may write"),
        ("webhook", {"url": "ftp://a.example"}, "config.url: begins with https:// and a host"),
        ("webhook", {"url": "https://{{deal.name}}/x"}, "config.url: begins with https:// and a host"),
        ("webhook", {"url": "https://user:pass@a.example"}, "config.url: begins with https:// and a host"),
        (
            "webhook",
            {"url": "https://a.example", "headers": {"Authorization": "Bearer x"}},
            "config.headers.Authorization: a reference",
        ),
        (
            "webhook",
            {"url": "https://a.example", "headers": {"X-Api-Key": "x"}},
            "config.headers.X-Api-Key: a reference",
        ),
        ("webhook", {"url": "https://a.example", "headers": {"X-A": "a\nb"}}, "config.headers.X-A: one line"),
        ("webhook", {"url": "https://a.example", "headers": {"a b": "c"}}, "config.headers: a header that may be set"),
        (
            "webhook",
            {"url": "https://a.example", "headers": {"Expect": "c"}},
            "config.headers: a header that may be set",
        ),
        (
            "webhook",
            {"url": "https://a.example", "headers": {"Proxy-Auth": "c"}},
            "config.headers: a header that may be",
        ),
        ("webhook", {"url": "https://a.example", "headers": {"X-A": "\u2192"}}, "config.headers.X-A: one line"),
        (
            "webhook",
            {"url": "https://a.example", "headers": {"X-A": "1", "x-a": "2"}},
            "config.headers: each header once",
        ),
        (
            "webhook",
            {"url": "https://a.example", "headers": {"X-A": "{{deal.name}}"}},
            "config.headers.X-A: a fixed value",
        ),
        (
            "webhook",
            {"url": "https://a.example", "headers": {"Webhook-Id": "c"}},
            "config.headers: a header that may be set",
        ),
        (
            "webhook",
            {"url": "https://a.example", "body": {"a": [{"b": "{{x.y}}"}]}},
            "config.body.a[0].b: x.y: a name begins",
        ),
        (
            "webhook",
            {"url": "https://a.example", "secret": "whsec_MfKQ9r8GKYqr"},
            "config.secret: the name of a secret",
        ),
        ("webhook", {"url": "https://a.example", "secret": "secret:whsec_MfK"}, "config.secret: the name of a secret"),
        ("webhook", {"url": "https://a.example", "secret": "a b"}, "config.secret: the name of a secret"),
        ("wait", {}, "config: one of a span, until, beforeField, businessHours or untilEvent"),
        ("wait", {"days": 1, "until": "2026-12-01"}, "config: one of a span"),
        ("wait", {"untilEvent": "replied"}, "config: untilEvent needs a time-out"),
        ("wait", {"untilEvent": "A reply", "days": 1}, "config.untilEvent: the name of an event"),
        ("wait", {"beforeField": "birthday"}, "config.beforeField: a column of the record"),
        ("wait", {"days": 1, "zone": "Mars"}, "config.zone: not an IANA time zone"),
        ("wait", {"days": 1, "at": "25:00"}, "config.at: HH:MM"),
        ("wait", {"businessHours": True, "businessDays": ["someday"]}, "config.businessDays: some of mon"),
        ("wait", {"businessHours": True, "businessStart": "18:00"}, "config.businessEnd: later than businessStart"),
        ("assign", {}, "config.assigneeId: whom to assign to"),
        ("assign", {"assigneeType": "round_robin"}, "config.pool: either pool or poolRole"),
        ("assign", {"assigneeType": "round_robin", "pool": [STRANGER]}, "config.pool[0]: no active colleague"),
        ("assign", {"assigneeType": "round_robin", "poolRole": "boss"}, "config.poolRole: no active colleague"),
        (
            "assign",
            {"assigneeType": "manager", "field": "org_id"},
            "config.field: a column that holds whose the record is: owner_id",
        ),
        ("escalate", {"to": STRANGER}, "config.to: no active colleague"),
        ("approval", asks({"type": "user"}), "config.approvers[0]: userId belongs to the type user"),
        ("approval", asks({"type": "owner", "userId": STRANGER}), "config.approvers[0]: userId belongs to the type"),
        ("approval", asks({"type": "role"}), "config.approvers[0]: role belongs to the type role"),
        ("approval", asks({"type": "user", "userId": STRANGER}), "config.approvers[0].userId: no active colleague"),
        ("approval", asks({"type": "user", "userId": "Ada"}), "config.approvers[0].userId: the id of a colleague"),
        ("approval", asks({"type": "role", "role": "boss"}), "config.approvers[0].role: no active colleague"),
        ("approval", asks({"type": "owner"}, {"type": "owner"}), "config.approvers: each approver once"),
        ("approval", asks({"type": "owner"}, quorum=1), "config.quorum: belongs to the mode parallel"),
        (
            "approval",
            asks({"type": "owner"}, quorum=2, mode="parallel"),
            "config.quorum: more than there are",
        ),
        ("approval", asks({"type": "owner"}, zone="Mars"), "config.zone: not an IANA time zone"),
        ("approval", asks({"type": "owner"}, escalateTo="manager"), "config.escalateTo: needs due"),
        (
            "approval",
            asks({"type": "owner"}, due="+1d", escalateTo=STRANGER),
            "config.escalateTo: no active colleague",
        ),
        ("approval", asks({"type": "owner"}, due="soon"), "config.due: a point in time"),
        ("approval", asks({"type": "owner"}, remind="+2d", due="+1d"), "config.due: later than remind"),
        ("approval", asks({"type": "owner"}, due="+3d", expires="+2d"), "config.expires: later than due"),
        ("approval", asks({"type": "owner"}, title="{{deal.colour}}"), "config.title: deal.colour"),
    ],
)
def test_each_step_is_refused_where_it_could_not_be_taken(kind: str, config: dict[str, Any], problem: str) -> None:
    found = problems_of_step_with(kind, **config)
    assert problem in found
    assert found.startswith("actions[0].config")


def test_nothing_of_an_enrollment_is_for_a_workflow_to_write() -> None:
    assert "config.field" in problems_of_step_with("update_field", "campaign_enrollment", field="status", value="x")
    assert "config.field" in problems_of_step_with("assign", "campaign_enrollment", assigneeType="manager")
    assert "config.reassign" in problems_of_step_with("escalate", "campaign_enrollment", reassign=True)


def test_an_approval_by_a_role_has_as_many_approvers_as_the_role_has_people() -> None:
    role = {"type": "role", "role": "sales"}
    assert problems_of_step_with("approval", approvers=[role], mode="parallel", quorum=3) == ""
    written = {"due": "{{deal.closed_at}}", "remind": "+1d", "expires": "2027-01-01"}
    assert problems_of_step_with("approval", approvers=[role], **written) == ""
