"""The nine system templates, rendered for hostile names in every channel that they have words for."""

import html
import re

import pytest

from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.content.rendering import render_notification
from crm_relay.notifications.content.templates import problems_of_template
from crm_relay.notifications.models import NotificationTemplate, ReaderLocale
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.templates import check
from tests.support.platform.rows import one, rows_of
from tests.support.source_tree import ROOT

SLUGS = {
    "submission_created", "submission_status_changed", "interview_scheduled", "deal_stage_changed", "deal_closed_won",
    "task_assigned", "approval_required", "campaign_activated", "mention_comment",
}  # fmt: skip
HOSTILE = '<img src=x onerror="alert(1)"> {{action_url}} \u202e\' & Robert'
READER = ReaderLocale("America/New_York", "en-US")


def templates(database: Database) -> dict[str, NotificationTemplate]:
    rows = rows_of(database, "select * from notification_templates where is_system and org_id is null")
    return {row["slug"]: NotificationTemplate.from_row(row) for row in rows}


def values_of(template: NotificationTemplate, text: object) -> dict[str, object]:
    return {variable.name: text for variable in template.variables if variable.type == "string"} | {
        variable.name: {"number": 3, "money": 12500, "date": "2026-12-24", "time": "15:30"}[variable.type]
        for variable in template.variables
        if variable.type != "string"
    }


def test_the_system_has_nine_and_each_could_be_saved(database: Database) -> None:
    assert templates(database).keys() == SLUGS
    for template in templates(database).values():
        assert problems_of_template(template, LinkRules()) == []


def test_each_declares_exactly_what_it_uses(database: Database) -> None:
    for template in templates(database).values():
        texts = [
            template.title_template, template.message_template, template.email_subject_template or "",
            template.email_body_template or "",
        ]  # fmt: skip
        used = {name for text in texts for name in check(text, frozenset())}
        assert used == {variable.name for variable in template.variables}, template.slug


@pytest.mark.parametrize("slug", sorted(SLUGS))
def test_a_hostile_name_stays_a_name(database: Database, slug: str) -> None:
    template = templates(database)[slug]
    rendered = render_notification(template, values_of(template, HOSTILE), READER, action_url="/approvals/1")
    assert rendered.email is not None
    assert "<img" not in rendered.email.html
    assert "{{action_url}}" not in rendered.email.html.replace(html.escape(HOSTILE), "")
    markup = re.sub(re.escape(html.escape(HOSTILE)), "", rendered.email.html)
    assert set(re.findall(r"<(\w+)", markup)) <= {"p", "strong", "a", "blockquote"}
    assert rendered.title.strip()
    assert rendered.message.strip()
    assert "\n" not in rendered.title + rendered.email.subject


@pytest.mark.parametrize("slug", sorted(SLUGS))
def test_without_its_values_it_is_refused(database: Database, slug: str) -> None:
    with pytest.raises(RejectedInput):
        render_notification(templates(database)[slug], {}, READER)


def test_money_and_dates_are_the_readers(database: Database) -> None:
    own = templates(database)
    won = {"deal": {"name": "Northwind", "value": 12500, "currency": "EUR"}}
    for locale, value in (("en-US", "€12,500.00"), ("de", "12.500,00\N{NO-BREAK SPACE}€")):
        rendered = render_notification(own["deal_closed_won"], won, ReaderLocale("UTC", locale))
        assert rendered.message == f"Northwind, worth {value}, has been won!"
    without = render_notification(own["deal_closed_won"], {"deal": {"name": "Northwind", "value": None}}, READER)
    assert without.message == "Northwind, worth an amount that is not recorded, has been won!"
    interview = {
        "candidate.name": "Ada", "job.title": "Engineer", "interview.date": "2026-12-24T20:30:00+00:00",
        "interview.time": "2026-12-24T20:30:00+00:00",
    }  # fmt: skip
    rendered = render_notification(own["interview_scheduled"], interview, READER)
    assert "on Dec 24, 2026 at 3:30" in rendered.message


def test_an_installation_that_has_system_templates_keeps_its_own(database: Database) -> None:
    before = one(database, "select count(*)::integer as n from notification_templates")
    (path,) = (ROOT / "migrations").glob("*_system_templates.sql")
    database.run_script(f"begin; {path.read_text(encoding='utf-8')}; commit")
    assert one(database, "select count(*)::integer as n from notification_templates") == before
