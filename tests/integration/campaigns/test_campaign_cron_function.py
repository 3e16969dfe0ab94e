"""The function campaign_cron as Lambda calls it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaign_cron import wiring
from campaign_cron.handler import handler
from campaign_cron.settings import Settings
from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.platform.clock import Deadline
from crm_relay.platform.errors import FatalError, RowRefused, TransientError
from crm_relay.platform.settings import read_settings
from tests.support.campaigns.campaign_harness import CampaignHarness, email
from tests.support.function_settings import give_settings
from tests.support.platform.rows import one, rows_of

EVENTS = Path(__file__).parents[3] / "events" / "campaign_cron"
# Any hour of any day: these tests run by the wall clock.
ALWAYS = {"send_days": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"], "timezone": "UTC"}


class CronContext:
    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 170_000


def configure(monkeypatch: pytest.MonkeyPatch, campaigns: CampaignHarness, **settings: str) -> None:
    environment = {
        "DATABASE_URL": campaigns.url,
        "PUBLIC_URL": "https://api.example.com/",
        "RESEND_API_KEY": campaigns.sim.api_key,
        "RESEND_API_URL": campaigns.sim.url,
        "SEND_MODE": "live",
    }
    give_settings(monkeypatch, wiring.installation, environment | settings)


def invoke(case: str = "schedule") -> Any:
    return handler(json.loads((EVENTS / f"{case}.json").read_text()), CronContext())


def always(campaigns: CampaignHarness) -> dict[str, Any]:
    """A window around this moment, whenever that is."""
    now = datetime.now(UTC)
    campaigns.time[0] = now - timedelta(seconds=30)
    start, end = now - timedelta(hours=2), now + timedelta(hours=2)
    window = {"send_window_start": f"{start:%H:%M}", "send_window_end": f"{end:%H:%M}"}
    return {**ALWAYS, **window}


def plant(campaigns: CampaignHarness, **columns: Any) -> Any:
    hours = always(campaigns)
    days = hours.pop("send_days")
    campaign = campaigns.campaign(email(1), **hours, **columns)
    rows_of(campaigns.db, "update campaigns set send_days = cast(:days as text[])", days=days)
    return campaigns.enroll(campaign)


def test_a_round_does_what_is_due_and_says_so(campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, campaigns)
    person = plant(campaigns)
    answer = invoke()
    assert answer["success"]
    assert answer["finished"]
    assert (answer["steps"], answer["sent"], answer["requests"]) == ({"email": 1}, 1, 1)
    assert campaigns.lines(person) == [(1, "sent", None)]
    (mail,) = campaigns.sim.mails
    # Two slashes would lead nowhere.
    assert "https://api.example.com/unsubscribe/" in mail.payload["html"]


@pytest.mark.parametrize("wrong_by", [timedelta(hours=1), timedelta(hours=-1)], ids=["ahead", "behind"])
def test_a_worker_whose_clock_is_wrong_goes_by_the_databases(
    campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch, wrong_by: timedelta
) -> None:
    """By its own clock it would take over what another worker is sending, or write early."""

    class WrongClock:
        @staticmethod
        def now(zone: Any) -> datetime:
            return datetime.now(zone) + wrong_by

    configure(monkeypatch, campaigns)
    due, later = plant(campaigns), plant(campaigns)
    rows_of(
        campaigns.db,
        "update campaign_enrollments set next_step_at = now() + interval '30 minutes' where id = :id",
        id=later,
    )
    monkeypatch.setattr("crm_relay.platform.clock.datetime", WrongClock)
    assert invoke()["sent"] == 1
    assert campaigns.lines(due) == [(1, "sent", None)]
    assert campaigns.lines(later) == []


def test_without_a_key_dry_run_is_what_happens(campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, campaigns, RESEND_API_KEY="", SEND_MODE="")
    person = plant(campaigns)
    answer = invoke()
    assert (answer["mail_mode"], answer["kept"], answer["steps"], answer["requests"]) == ("dry-run", 1, {}, 0)
    assert campaigns.lines(person) == []


def test_an_organization_without_an_identity_sends_as_email_from(
    campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, campaigns, EMAIL_FROM="Relay <relay@example.com>")
    rows_of(campaigns.db, "delete from email_identities")
    plant(campaigns)
    invoke()
    (mail,) = campaigns.sim.mails
    assert mail.payload["from"] == "Relay <relay@example.com>"


def test_a_reply_that_came_in_is_read_before_anything_is_sent(
    campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, campaigns)
    person = plant(campaigns)
    rows_of(
        campaigns.db,
        """insert into campaign_sequences (campaign_id, step_number, channel, subject, body_html)
           select id, 2, 'email', 'Again', '<p>Hello</p>' from campaigns""",
    )
    # The first mail goes out and the second one is due, when the answer comes.
    rows_of(campaigns.db, "update campaign_sequences set delay_hours = 1 where step_number = 2")
    invoke()
    campaigns.deliver()
    campaigns.sim.reply(campaigns.sim.mails[0])
    campaigns.deliver([campaigns.sim.messages[-1]])
    rows_of(campaigns.db, "update campaign_enrollments set next_step_at = now()")
    answer = invoke()
    assert answer["answered"] == 1
    assert len(campaigns.sim.mails) == 1
    assert campaigns.enrollment(person)["status"] == "replied"


def test_tests_are_judged_when_asked(campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, campaigns)
    assert invoke("judge")["tests_judged"] == 0
    assert one(campaigns.db, "select count(*) as n from campaign_sequences")["n"] == 0


@pytest.mark.parametrize("mode", ["live", "allow-list"])
def test_sending_without_a_key_is_refused_in_clear_words(mode: str) -> None:
    given = {"DATABASE_URL": "postgresql://u@h/d", "PUBLIC_URL": "https://api.example.com", "SEND_MODE": mode}
    with pytest.raises(FatalError, match=f"SEND_MODE: .*{mode} needs RESEND_API_KEY, which is not set"):
        read_settings(Settings, given)


def test_the_settings_say_all_that_is_wrong_at_once_and_no_value() -> None:
    with pytest.raises(FatalError) as error:
        read_settings(Settings, {"SEND_MODE": "sometimes", "EMAIL_FROM": "secret-nonsense"})
    message = str(error.value)
    assert all(name in message for name in ("DATABASE_URL", "PUBLIC_URL", "SEND_MODE", "EMAIL_FROM"))
    assert "secret-nonsense" not in message


def test_the_allow_list_holds_addresses_domains_and_numbers() -> None:
    given = {
        "DATABASE_URL": "postgresql://u@h/d",
        "PUBLIC_URL": "https://api.example.com",
        "RESEND_API_KEY": "key",
        "SEND_MODE": "allow-list",
        "SEND_ALLOW_LIST": "Me@Example.com, @Staging.example,+15550100001",
    }
    settings = read_settings(Settings, given)
    assert settings.policy == SendPolicy(
        Mode.ALLOW_LIST, frozenset({"me@example.com", "@staging.example", "+15550100001"})
    )
    assert settings.policy.allows("x@staging.example")
    assert not settings.policy.allows("x@example.com")


@pytest.mark.parametrize(
    "part",
    [
        "read_inbound",
        "watch_senders",
        "release_unreported",
        "give_times",
        "watch_stops",
        "watch_locks",
        "fold_totals",
        "judge_variants",
    ],
)
def test_a_part_that_fails_for_a_row_stops_no_other_part(
    campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    configure(monkeypatch, campaigns)
    person = plant(campaigns)

    def fails(*_given: object, **_named: object) -> None:
        raise RowRefused("a row that this part cannot read")

    monkeypatch.setattr(wiring, part, fails)
    at = (datetime.now(UTC) + timedelta(hours=1)).replace(minute=0)
    with pytest.raises(RowRefused):
        wiring.run_campaigns(wiring.installation(), lambda: at, Deadline.after(170.0), judges=True)
    assert campaigns.lines(person) == [(1, "sent", None)]


def test_a_database_that_is_away_ends_the_round_at_once(
    campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, campaigns)
    person = plant(campaigns)

    def fails(*_given: object, **_named: object) -> None:
        raise TransientError("away")

    monkeypatch.setattr(wiring, "read_inbound", fails)
    with pytest.raises(TransientError):
        invoke()
    assert campaigns.lines(person) == []
