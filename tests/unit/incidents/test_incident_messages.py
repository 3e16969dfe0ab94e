"""What people read of an incident: one line that says it, and few lines below."""

from datetime import UTC, datetime

import pytest

from crm_relay.incidents.channels import SlackChannel, TopicChannel, channels
from crm_relay.incidents.message import AlertGroup, group_alerts, render
from crm_relay.incidents.models import PendingAlert

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def alerts(number: int = 1, **changes: object) -> PendingAlert:
    given = {
        "id": number,
        "kind": "account_disconnected",
        "subject": f"account {number}",
        "title": "Sender account(s) disconnected",
        "workspace_name": "Northwind",
        "opened_at": NOON,
        "closed_at": None,
    }
    return PendingAlert(**given | changes)  # type: ignore[arg-type]


def test_one_incident_is_told_in_the_singular() -> None:
    message = render(AlertGroup((alerts(),)))
    assert message.title == "Sender account disconnected in workspace Northwind"
    assert message.text.splitlines() == [message.title, "since 2026-11-20 12:00 UTC", "• account 1"]


def test_several_are_counted() -> None:
    assert render(AlertGroup((alerts(1), alerts(2)))).title == "2 sender accounts disconnected in workspace Northwind"


def test_a_title_without_a_plural_is_counted_all_the_same() -> None:
    several = AlertGroup((alerts(1, title="No webhook for 24 hours"), alerts(2, title="No webhook for 24 hours")))
    assert render(several).title == "2 x no webhook for 24 hours in workspace Northwind"


def test_different_titles_of_one_kind_stand_with_their_subjects() -> None:
    message = render(AlertGroup((alerts(1, title="Fell by 30 %"), alerts(2, title="Fell by 25 %"))))
    assert message.title == "2 incidents of account disconnected in workspace Northwind"
    assert "• account 1: Fell by 30 %" in message.text


def test_a_recovery_says_from_when_to_when() -> None:
    message = render(AlertGroup((alerts(closed_at=NOON.replace(hour=14)),)))
    assert message.title.startswith("Recovered: ")
    assert "from 2026-11-20 12:00 to 2026-11-20 14:00 UTC" in message.text


@pytest.mark.parametrize("subject", ["two\nlines", "x" * 5000, "tab\tand\rreturn"])
def test_whatever_comes_from_outside_stays_on_one_line(subject: str) -> None:
    lines = render(AlertGroup((alerts(subject=subject),))).text.splitlines()
    assert len(lines) == 3
    assert len(lines[2]) < 200


def test_openings_recoveries_kinds_and_workspaces_are_told_apart() -> None:
    groups = group_alerts(
        [
            alerts(1),
            alerts(2),
            alerts(3, closed_at=NOON),
            alerts(4, workspace_name="Contoso"),
            alerts(5, kind="webhook_silence"),
            alerts(6, taken_by=frozenset({"sns"})),
        ]
    )
    assert [[each.id for each in group.alerts] for group in groups] == [[1, 2], [3], [4], [5], [6]]


def test_what_was_tried_least_comes_first() -> None:
    groups = group_alerts([alerts(1, attempts=3), alerts(2, kind="webhook_silence")])
    assert [group.alerts[0].id for group in groups] == [2, 1]


def test_the_channels_are_those_that_are_configured() -> None:
    slack, topic = channels("https://hooks.slack.com/services/T/B/x", "arn:aws:sns:us-east-1:1:alerts")
    assert isinstance(slack, SlackChannel)
    assert isinstance(topic, TopicChannel)
    assert (slack.name, topic.name) == ("slack", "sns")
    assert channels(None, None) == []
