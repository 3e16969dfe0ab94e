"""The routes under /api/notifications: who may what, and that a good answer is what the tables say."""

from collections.abc import Iterator
from typing import Any

import pytest

from admin_api import wiring
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.http.callers import Role
from tests.support.notifications.planted_week import PlantedWeek, plant_week
from tests.support.operations.admin_function import AdminFunction, admin_function
from tests.support.platform.rows import one, rows_of

OWN: dict[str, Any] = {
    "slug": "deal_closed_won",
    "name": "Won",
    "category": "deal",
    "title_template": "{{deal.name}} is ours",
    "message_template": "{{deal.name}}",
    "action_url_template": "https://docs.example.com/{{deal.name}}",
    "variables": [{"name": "deal.name", "required": True}],
}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> Iterator[AdminFunction]:
    monkeypatch.setenv("EMAIL_FROM", "CRM <crm@example.com>")
    monkeypatch.setenv("APP_URL", "https://crm.example.com")
    monkeypatch.setenv("NOTIFICATION_LINK_HOSTS", "docs.example.com")
    yield admin_function(monkeypatch, database, database_url)
    wiring.installation.forget()


@pytest.fixture
def week(database: Database) -> PlantedWeek:
    return plant_week(database, utc_now())


def test_counts_and_deliveries_are_shown_to_those_who_read(api: AdminFunction, week: PlantedWeek) -> None:
    reader = api.token("reader", Role.READ)
    channels = api.call("GET", "/api/notifications", token=reader).body
    email = next(each for each in channels if each["channel"] == "email")
    assert (email["held"], email["in_digests"], email["failed"], email["unknown"]) == ({"do_not_disturb": 5}, 5, 1, 1)
    query = {"user": str(week.bob), "channel": "email", "state": "waiting", "limit": "3"}
    listed = api.call("GET", "/api/notifications/deliveries", token=reader, query=query).body
    assert [each["reason"] for each in listed] == ["do_not_disturb"] * 3
    assert "Northwind" not in api.call("GET", "/api/notifications/deliveries", token=reader).text
    assert api.call("GET", "/api/notifications/deliveries", query={"state": "lost"}).status == 422


def test_a_template_is_previewed_kept_and_listed(api: AdminFunction, week: PlantedWeek) -> None:
    shown = api.call(
        "POST", "/api/notifications/templates/preview", body={"slug": "deal_closed_won", "locale": "de"}
    ).body
    assert (shown["org_id"], shown["title"]) == (None, "Deal won: Sample deal name")
    given = {"organization": str(week.org), "template": OWN}
    assert api.call("POST", "/api/notifications/templates", body=given).body == {
        "slug": "deal_closed_won",
        "version": 1,
        "is_changed": True,
    }
    wanted = {"slug": "deal_closed_won", "organization": str(week.org), "values": {"deal": {"name": "North wind"}}}
    shown = api.call("POST", "/api/notifications/templates/preview", body=wanted).body
    assert (shown["title"], shown["action_url"]) == ("North wind is ours", "https://docs.example.com/North%20wind")
    listed = api.call("GET", "/api/notifications/templates", query={"organization": str(week.org)}).body
    assert [each["problems"] for each in listed if each["problems"]] == []
    wrong = {"organization": str(week.org), "template": OWN | {"action_url_template": "javascript:alert(1)"}}
    refused = api.call("POST", "/api/notifications/templates", body=wrong)
    assert (refused.status, refused.body["error"]) == (422, "the template cannot be saved")
    assert any(each.startswith("action_url_template") for each in refused.body["details"])
    assert api.call("POST", "/api/notifications/templates/preview", body={"slug": "nothing"}).status == 404


def test_settings_week_and_why_are_for_those_who_operate(api: AdminFunction, week: PlantedWeek) -> None:
    reader, operator = api.token("reader", Role.READ), api.token("grace", Role.OPERATE)
    made = one(api.database, "select id from notifications where user_id = :bob limit 1", bob=week.bob)["id"]
    who = {"who": "bob@example.com"}
    personal: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"/api/notifications/{made}/why", {}),
        ("GET", "/api/notifications/settings", {"query": who}),
        ("POST", "/api/notifications/settings/week", {"body": who | {"frequency": "never"}}),
        ("POST", "/api/notifications/test", {"body": who | {"slug": "task_assigned"}}),
        ("POST", "/api/notifications/templates", {"body": {"organization": str(week.org), "template": OWN}}),
    ]
    answers = {
        path: (api.call(method, path, token=reader, **given).status, api.call(method, path, token=operator, **given))
        for method, path, given in personal
    }
    assert {path: status for path, (status, _) in answers.items() if status != 403} == {}
    bodies = {path: answer.body for path, (_, answer) in answers.items() if answer.status in {200, 201}}
    assert len(bodies) == len(personal)
    assert bodies[f"/api/notifications/{made}/why"]["channels"][0]["gates"]
    assert bodies["/api/notifications/settings"]["user_id"] == str(week.bob)
    assert {each["channel"]: each["skipped"] for each in bodies["/api/notifications/settings/week"]["then"]}[
        "email"
    ] == {"muted": 5}
    assert bodies["/api/notifications/test"]["channels"]["email"] == "waiting (do_not_disturb)"


@pytest.mark.parametrize(
    "wanted",
    [
        {"who": "nobody@example.com"},
        {"who": "ada@example.com", "zone": "Mars/Olympus"},
        {"who": "ada@example.com", "quiet_hours": "99:00-08:00"},
        {"who": "ada@example.com", "digest_time": "24:61"},
    ],
)
def test_a_week_that_cannot_be_simulated_is_refused(
    api: AdminFunction, week: PlantedWeek, wanted: dict[str, str]
) -> None:
    assert api.call("POST", "/api/notifications/settings/week", body=wanted).status in {400, 404, 422}


def test_a_week_takes_every_setting(api: AdminFunction, week: PlantedWeek) -> None:
    wanted = {
        "who": str(week.ada),
        "categories": ["assignment"],
        "channels": ["in_app", "email"],
        "frequency": "weekly_digest",
        "digest_time": "07:30",
        "digest_day": "friday",
        "quiet_hours": "",
        "zone": "Asia/Tokyo",
        "email_unsubscribed": False,
    }
    before = rows_of(api.database, "select * from notification_preferences order by id")
    found = api.call("POST", "/api/notifications/settings/week", body=wanted)
    assert found.status == 200, found.text
    assert found.body["notifications"] == 5
    assert rows_of(api.database, "select * from notification_preferences order by id") == before
