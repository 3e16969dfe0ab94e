"""Keeping a template of an organization, looking at one with values, and sending one as a test."""

import json
import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.library.list_templates import list_templates
from crm_relay.notifications.library.preview_template import preview_template
from crm_relay.notifications.library.save_template import save_template
from crm_relay.notifications.library.send_test import send_test
from crm_relay.notifications.models import ReaderLocale
from crm_relay.notifications.people.settings_of_person import find_colleague
from crm_relay.platform.errors import RejectedInput
from tests.support.notifications.notification_harness import LINKS, NotificationHarness
from tests.support.platform.rows import rows_of
from tests.support.source_tree import ROOT

OWN: dict[str, Any] = {
    "slug": "deal_closed_won",
    "name": "Won, our way",
    "category": "deal",
    "title_template": "We won {{deal.name}}",
    "message_template": "{{deal.name}} is ours.",
    "variables": [{"name": "deal.name", "type": "string", "required": True}],
}
READER = ReaderLocale("Europe/Berlin", "de")


def preview(stage: NotificationHarness, slug: str, **values: object) -> Any:
    return preview_template(stage.db, slug, stage.org, values, READER, stage.now, links=LINKS)


def test_the_template_of_the_documentation_can_be_saved_and_sent(crew: NotificationHarness) -> None:
    document = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```json\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    saved = save_template(crew.db, crew.org, json.loads(example), LINKS)
    assert saved.is_changed
    shown = preview(crew, saved.slug, **{"deal.id": 7, "deal.name": "Northwind"})
    assert shown.message == "Northwind, 12.500,00, closed on 18.11.2026."
    assert shown.action_url == "/deals/7"


def test_an_organizations_template_speaks_instead_of_the_systems(crew: NotificationHarness) -> None:
    assert preview(crew, "deal_closed_won").title == "Deal won: Sample deal name"
    saved = save_template(crew.db, crew.org, OWN, LINKS)
    assert (saved.version, saved.is_changed) == (1, True)
    shown = preview(crew, "deal_closed_won", deal={"name": "Northwind"})
    assert (shown.title, shown.org_id) == ("We won Northwind", crew.org)
    other = UUID(str(rows_of(crew.db, "insert into organizations (name) values ('Other') returning id")[0]["id"]))
    theirs = preview_template(crew.db, "deal_closed_won", other, {}, READER, crew.now, links=LINKS)
    assert theirs.org_id is None


def test_the_same_again_is_no_change_and_a_change_is_a_version(crew: NotificationHarness) -> None:
    results = [
        save_template(crew.db, crew.org, OWN | change, LINKS)
        for change in ({}, {}, {"name": "Other"}, {"name": "Other"}, {"is_active": False})
    ]
    assert [(each.version, each.is_changed) for each in results] == [
        (1, True), (1, False), (2, True), (2, False), (3, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"title_template": "{{owner.name}}"}, "title_template"),
        ({"action_url_template": "javascript:alert(1)"}, "action_url_template"),
        ({"action_url_template": "https://evil.example/"}, "action_url_template"),
        ({"is_critical": True}, "is_critical"),
        ({"org_id": "x"}, "org_id"),
        ({"name": None}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"message_template": "a\0b"}, "message_template"),
        ({"sms_template": 5}, "sms_template"),
        ({"default_type": "fun"}, "default_type"),
        ({"default_priority": "asap"}, "default_priority"),
        ({"default_channels": []}, "default_channels"),
        ({"default_channels": ["email", "email"]}, "default_channels"),
        ({"default_channels": "email"}, "default_channels"),
        ({"conditions": []}, "conditions"),
        ({"is_active": "yes"}, "is_active"),
        ({"unless_read_within": 0}, "unless_read_within"),
        ({"unless_read_within": True}, "unless_read_within"),
    ],
)
def test_what_is_wrong_is_listed_by_column_and_nothing_is_kept(
    crew: NotificationHarness, change: dict[str, object], problem: str
) -> None:
    with pytest.raises(RejectedInput) as error:
        save_template(crew.db, crew.org, OWN | change, LINKS)
    assert any(each.startswith(problem) for each in error.value.details), error.value.details
    assert rows_of(crew.db, "select id from notification_templates where org_id is not null") == []


def test_a_template_of_nobody_is_refused(crew: NotificationHarness) -> None:
    with pytest.raises(RejectedInput) as error:
        save_template(crew.db, uuid4(), OWN, LINKS)
    assert error.value.status == 404


def test_malformed_variables_are_refused(crew: NotificationHarness) -> None:
    with pytest.raises(RejectedInput):
        save_template(crew.db, crew.org, OWN | {"variables": [{"type": "string"}]}, LINKS)


def test_a_preview_is_written_for_its_reader(crew: NotificationHarness) -> None:
    shown = preview(crew, "interview_scheduled", **{"job.title": "<b>Engineer</b>"})
    assert "on 18.11.2026 at 16:00" in shown.message
    assert "&lt;b&gt;Engineer&lt;/b&gt;" in shown.email.html
    assert "job.title" not in shown.samples
    approval = preview(crew, "approval_required")
    assert 'href="https://crm.example.com/sample"' in approval.email.html
    with pytest.raises(RejectedInput) as error:
        preview(crew, "nothing")
    assert error.value.status == 404


def test_the_list_says_what_each_needs_and_what_is_wrong_with_it(crew: NotificationHarness) -> None:
    save_template(crew.db, crew.org, OWN | {"action_url_template": "https://docs.example.com/x"}, LINKS)
    rows_of(crew.db, "update notification_templates set variables = '[1]' where org_id is not null")
    rows_of(
        crew.db,
        """insert into notification_templates (org_id, name, slug, category, title_template, message_template)
           values (:org, 'By hand', 'by_hand', 'deal', '{{x}}', 'x')""",
        org=crew.org,
    )
    lines = list_templates(crew.db, crew.org, LinkRules())
    assert len(lines) == 11
    of = {(line.slug, line.org_id): line for line in lines}
    assert of["deal_closed_won", None].is_overridden
    assert of["deal_closed_won", None].problems == []
    assert of["deal_closed_won", None].without_text == ["sms"]
    assert of["deal_closed_won", crew.org].problems
    assert of["by_hand", crew.org].problems == ["title_template: the template names unknown variables: x"]
    assert len(list_templates(crew.db, None, LINKS)) == 11


def test_a_test_is_a_notification_like_any_other(crew: NotificationHarness) -> None:
    ada = crew.person("ada")
    crew.prefer(ada, "deal", frequency="daily_digest")
    colleague = find_colleague(crew.db, str(ada))
    save_template(crew.db, crew.org, OWN | {"slug": "own", "conditions": {"entity_kind": ["deal", "job"]}}, LINKS)
    sent = send_test(crew.db, "deal_closed_won", colleague, {}, crew.now, links=LINKS)
    assert sent.channels == {"email": "digest (daily_digest)", "in_app": "sent (daily_digest)"}
    assert send_test(crew.db, "own", colleague, {}, crew.now, links=LINKS).channels == {"in_app": "sent (daily_digest)"}
    with pytest.raises(RejectedInput):
        send_test(crew.db, "nothing", colleague, {}, crew.now, links=LINKS)
    with pytest.raises(RejectedInput) as error:
        send_test(crew.db, "own", colleague, {"deal.name": [1]}, crew.now, links=LINKS)
    assert error.value.status == 409
