"""The function notification_cron as Lambda calls it, by its schedule and by its queue."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_relay.installation.installation import Installation, install
from crm_relay.mail.models import Mode
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.errors import FatalError, RowRefused
from crm_relay.platform.fence.clone_fence import NotArmed
from crm_relay.platform.settings import read_settings
from notification_cron import wiring
from notification_cron.handler import handler
from notification_cron.settings import Settings
from tests.support.function_settings import WITHOUT_AWS, give_settings
from tests.support.notifications.notification_harness import NotificationHarness

Crew = NotificationHarness
EVENTS = Path(__file__).parents[3] / "events" / "notification_cron"


class ReleaseInvocation:
    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 170_000


def configure(monkeypatch: pytest.MonkeyPatch, crew: Crew, **settings: str) -> None:
    environment = {
        "DATABASE_URL": crew.url,
        "PUBLIC_URL": "https://api.example.com/",
        "RESEND_API_KEY": crew.sim.api_key,
        "RESEND_API_URL": crew.sim.url,
        "SEND_MODE": "live",
        "EMAIL_FROM": "CRM <crm@example.com>",
        "APP_URL": "https://crm.example.com",
    }
    give_settings(monkeypatch, wiring.installation, environment | settings)


def invoke(case: str = "schedule") -> Any:
    return handler(json.loads((EVENTS / f"{case}.json").read_text()), ReleaseInvocation())


@pytest.fixture
def lately(crew: Crew) -> Crew:
    """The function reads the wall clock: what it finds was asked for a moment ago."""
    crew.time[0] = datetime.now(UTC) - timedelta(seconds=30)
    return crew


@pytest.mark.parametrize("case", ["schedule", "wake"])
def test_a_round_sends_what_is_due_and_says_so(lately: Crew, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    configure(monkeypatch, lately)
    lately.announce(lately.person())
    answer = invoke(case)
    assert (answer["success"], answer["finished"], answer["idle"]) == (True, True, False)
    assert (answer["deliveries"], answer["sent"], answer["requests"]) == ({"send": 1}, 1, 1)
    (mail,) = lately.sim.mails
    assert mail.payload["from"] == "CRM <crm@example.com>"
    # Two slashes would lead nowhere.
    assert "https://api.example.com/unsubscribe/" in str(mail.payload["html"])
    assert invoke(case)["idle"]


def test_without_settings_nothing_leaves_and_the_reason_is_kept(lately: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, lately, RESEND_API_KEY="", SEND_MODE="")
    ada = lately.person()
    lately.announce(ada)
    assert invoke()["dry_run"] == 1
    assert lately.states(ada) == [("dry_run", "dry_run")]


def test_without_a_sender_no_mail_is_configured(lately: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, lately, EMAIL_FROM="")
    ada = lately.person()
    lately.announce(ada)
    invoke()
    assert lately.states(ada) == [("skipped", "not_configured")]


def test_a_copy_of_a_database_sends_nothing(lately: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, lately)
    lately.announce(lately.person())
    invoke()
    lately.rows(
        """update installation_settings set value = '[{"place": "elsewhere", "database": "x", "system": "y"}]'
           where key = 'armed_as'"""
    )
    lately.announce(lately.person("bob"))
    with pytest.raises(NotArmed):
        invoke()
    assert lately.got("bob") == 0


class CountedDatabase(Database):
    """Counts the messages to the server."""

    messages = 0

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        self.messages += 1
        return super()._send(sql, **more)


def test_an_idle_round_takes_three_short_statements(lately: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, lately, ALERT_SLACK_WEBHOOK_URL="http://127.0.0.1:9/services/x")
    invoke()
    installation = install(Settings)
    counted = CountedDatabase(lately.url)
    vars(installation)["database"] = counted
    # Neither a full hour nor the tenth minute, at which more is looked at.
    at = datetime(2026, 11, 18, 15, 7, tzinfo=UTC)
    answer = wiring.run_notifications(installation, lambda: at, Deadline.after(60))
    assert answer["idle"]
    assert counted.messages <= 3
    counted.close()


def test_every_hour_old_rows_go_and_zones_are_looked_at(lately: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, lately, NOTIFICATION_RETENTION_DAYS="30")
    lately.announce(lately.person(timezone="Mars/Olympus"))
    lately.rows("update notifications set read_at = now() - interval '31 days'")
    at = datetime(2026, 11, 18, 15, tzinfo=UTC).replace(year=datetime.now(UTC).year + 1)
    wiring.run_notifications(install(Settings), lambda: at, Deadline.after(60))
    assert lately.rows("select from notifications") == []
    assert lately.incidents() == {"notification_zone"}


@pytest.mark.parametrize(
    ("given", "named"),
    [({"SEND_MODE": "live"}, "RESEND_API_KEY"), ({"NOTIFICATION_RETENTION_DAYS": "0"}, "NOTIFICATION_RETENTION_DAYS")],
)
def test_settings_that_cannot_be_are_named(given: dict[str, str], named: str) -> None:
    base = {"DATABASE_URL": "postgresql://x@127.0.0.1/x", "PUBLIC_URL": "https://api.example.com"}
    with pytest.raises(FatalError, match=named):
        read_settings(Settings, base | given)


def test_dry_run_is_the_default() -> None:
    base = {"DATABASE_URL": "postgresql://x@127.0.0.1/x", "PUBLIC_URL": "https://api.example.com"}
    settings = read_settings(Settings, base)
    assert (settings.send_mode, settings.notification_retention_days) == (Mode.DRY_RUN, 90)


class WakeSettings:
    """Of a function that notifies."""

    def __init__(self, notification_queue_url: str | None) -> None:
        self.notification_queue_url = notification_queue_url


@pytest.mark.parametrize("queue", [None, "http://127.0.0.1:9/123456789012/notifications"])
def test_waking_never_breaks_what_was_committed(monkeypatch: pytest.MonkeyPatch, queue: str | None) -> None:
    for name, value in WITHOUT_AWS.items():
        monkeypatch.setenv(name, value)
    installation: Installation[Any] = Installation(lambda: WakeSettings(queue))
    installation.wake_notifications()


PARTS = ("run_due_deliveries", "watch_zones", "mend_left_behind", "remove_old")


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_fails_for_a_row_stops_no_other_part_and_no_alert(
    lately: Crew, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    configure(monkeypatch, lately)
    ran: list[str] = []

    def fails(*_given: object, **_named: object) -> None:
        raise RowRefused("a row that this part cannot read")

    def noted(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def runs(*given: object, **named: object) -> object:
            ran.append(name)
            return work(*given, **named)

        return runs

    for name in PARTS:
        monkeypatch.setattr(wiring, name, fails if name == part else noted(name, getattr(wiring, name)))
    installation = wiring.installation()
    monkeypatch.setattr(Installation, "send_alerts", noted("alerts", Installation.send_alerts))
    with pytest.raises(RowRefused):
        wiring.run_notifications(installation, lambda: datetime.now(UTC).replace(minute=0), Deadline.after(170.0))
    assert ran == [*(name for name in PARTS if name != part), "alerts"]
