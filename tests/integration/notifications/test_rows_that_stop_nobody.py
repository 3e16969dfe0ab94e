"""A row that nobody can read, of one person or template, stops nobody else."""

from collections.abc import Mapping
from uuid import uuid4

import pytest

from crm_relay.notifications.models import Channel
from tests.support.notifications.notification_harness import NotificationHarness

Crew = NotificationHarness
FOR_EVER, OVER = ("skipped", "do_not_disturb"), ("sent", "preference_changed")


@pytest.mark.parametrize(
    ("until", "state"),
    [
        ("infinity", FOR_EVER),
        ("294276-01-01 00:00:00+00", FOR_EVER),
        ("-infinity", OVER),
        ("0044-01-01 00:00:00+00 BC", OVER),
    ],
)
def test_an_end_of_do_not_disturb_that_python_cannot_count_stops_nobody(
    crew: Crew, until: str, state: tuple[str, str]
) -> None:
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.announce(ada, bob)
    crew.prefer(bob, dnd_enabled=True)
    crew.rows(f"update notification_preferences set dnd_until = '{until}'")
    crew.tick()
    assert (crew.got("ada"), crew.states(bob)) == (1, [state])
    crew.announce(ada, bob)
    crew.tick()
    assert (crew.got("ada"), crew.states(bob)[1][0]) == (2, state[0])


@pytest.mark.parametrize(
    "values",
    [
        {"task": {"title": 10**5000}, "assigner": {"name": "Grace"}},
        {"task": {"title": float("nan")}, "assigner": {"name": {1, 2}}},
        {"task": None},
        {"task": {"title": "x\ud800"}, "assigner": {"name": "Grace"}},
    ],
)
def test_a_value_that_cannot_be_written_is_a_refusal(crew: Crew, values: Mapping[str, object]) -> None:
    ada = crew.person()
    report = crew.notify(crew.request(ada, variables=values), crew.request(ada))
    assert ([each.reason for each in report.refused], len(report.created)) == (["template"], 1)


@pytest.mark.parametrize("broken", ["conditions = '[1]'", "variables = '{}'", "default_priority = 'loud'"])
def test_a_template_of_an_applications_own_table_stops_its_own_requests_alone(crew: Crew, broken: str) -> None:
    crew.rows(
        """alter table notification_templates drop constraint template_shapes,
           drop constraint notification_templates_default_priority_check"""
    )
    crew.rows(
        """insert into notification_templates (org_id, name, slug, category, title_template, message_template)
           values (:org, 'Odd', 'odd', 'deal', 'Odd', 'Odd')""",
        org=crew.org,
    )
    crew.rows(f"update notification_templates set {broken} where slug = 'odd'")
    ada = crew.person()
    report = crew.notify(crew.request(ada, slug="odd"), crew.request(ada))
    assert ([each.reason for each in report.refused], len(report.created)) == (["template"], 1)


def test_who_changed_the_organization_hears_nothing_of_the_former_one(crew: Crew) -> None:
    crew.webhook("https://hooks.slack.example/former")
    ada, other = crew.person(), uuid4()
    crew.rows("insert into organizations (id, name) values (:id, 'Other')", id=other)
    crew.rows(
        "insert into notification_slack_webhooks (org_id, webhook_url) values (:org, 'https://hooks.slack.example/new')",
        org=other,
    )
    channels = ["email", "slack"]
    crew.prefer(ada, channels=channels, quiet_hours_enabled=True, quiet_hours_start="15:00", quiet_hours_end="18:00")
    crew.announce(ada, channels=(Channel.EMAIL, Channel.SLACK))
    crew.rows("update user_profiles set org_id = :org where id = :id", org=other, id=ada)
    crew.wait(hours=4)
    crew.tick()
    assert (crew.got(), crew.posts) == (0, [])
    assert crew.states(ada) == crew.states(ada, "slack") == [("skipped", "user_inactive")]
