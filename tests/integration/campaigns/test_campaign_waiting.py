"""What waits and what nobody knows, as an operator sees it and settles it: by command and through the API."""

import json
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from admin_api import wiring
from cli.console import console
from cli.main import app
from crm_relay.campaigns.lifecycle.end_campaign import cancel_waiting
from crm_relay.campaigns.lifecycle.funnels import show_campaign
from crm_relay.platform.http.callers import Role
from crm_relay.providers.answers import Later, TextAnswer
from crm_relay.providers.text import TextMessage
from tests.support.campaigns.campaign_harness import ALWAYS, CampaignHarness, email, step
from tests.support.operations.admin_function import AdminFunction, admin_function
from tests.support.platform.rows import one, rows_of

NUMBER = "+15550100001"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, campaigns: CampaignHarness, database_url: str) -> Iterator[AdminFunction]:
    yield admin_function(monkeypatch, campaigns.db, database_url)
    wiring.installation.forget()


@pytest.fixture
def installation(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    """What the commands work against, on a terminal that is wide enough."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setattr(console, "width", 250)


class Busy:
    """Takes nothing now."""

    name = "twilio"

    def send(self, to: str, body: str) -> TextAnswer:
        return Later("busy", 600)

    def find(self, to: str, body: str, since: datetime, known: Collection[str] = ()) -> TextMessage | None:
        return None


def command(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, words, env={"COLUMNS": "250"})
    assert done.exit_code == status, done.output
    return done.stdout


def answer(*words: str, status: int = 0) -> Any:
    return json.loads(command(*words, "--json", status=status))


def held(campaigns: CampaignHarness) -> UUID:
    """A campaign in which an e-mail and a text message wait for their providers."""
    campaigns.texts = Busy()
    campaign = campaigns.campaign(email(1), email(2, delay_days=1), name="Spring", **ALWAYS)
    campaigns.enroll(campaign, campaigns.contact("ada@example.com", phone=NUMBER))
    texts = campaigns.campaign(step("sms", 1, body_text="Hello"), email(2, delay_days=1), name="Texts", **ALWAYS)
    campaigns.enroll(texts, campaigns.contact("bob@example.com", phone=NUMBER))
    campaigns.sim.fault("429", retry_after=600, times=4)
    campaigns.tick()
    return campaign


def parked(campaigns: CampaignHarness, *names: str) -> list[dict[str, Any]]:
    """Mail of one batch whose outcome is unknown: the key may only send, so nobody can be asked."""
    campaign = campaigns.campaign(email(1), name="Spring", **ALWAYS)
    for name in names:
        campaigns.enroll(campaign, campaigns.contact(f"{name}@example.com"))
    campaigns.sim.fault("cut_after")
    campaigns.tick()
    campaigns.suppress(f"{names[0]}@example.com", "hard_bounce")
    campaigns.wait(hours=24)
    campaigns.tick()
    return rows_of(campaigns.db, "select id, batch_id from email_sends where status = 'unknown' order by id")


def open_incidents(campaigns: CampaignHarness) -> list[str]:
    return [row["kind"] for row in rows_of(campaigns.db, "select kind from incidents where closed_at is null")]


def history(campaigns: CampaignHarness) -> list[tuple[str, str, int]]:
    rows = rows_of(
        campaigns.db,
        "select change_type, metadata from entity_history where entity_type = 'message' order by changed_at",
    )
    return [(row["change_type"], row["metadata"]["by"], row["metadata"]["messages"]) for row in rows]


# --- unknown ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("installation")
def test_unknown_messages_are_listed_and_settled_by_command(campaigns: CampaignHarness) -> None:
    messages = parked(campaigns, "ada", "bob", "cyd")
    listed = answer("campaign", "unknown", "list", status=1)
    assert {row["id"] for row in listed} == {str(row["id"]) for row in messages}
    assert {(row["channel"], row["recipient"], row["batch_id"]) for row in listed} == {
        ("email", f"{name}@example.com", str(messages[0]["batch_id"])) for name in ("ada", "bob", "cyd")
    }
    assert len(answer("campaign", "unknown", "list", "--limit", "1", status=1)) == 1
    assert all(str(row["id"]) in command("campaign", "unknown", "list", status=1) for row in messages)

    one_of_them = str(messages[0]["id"])
    assert answer("campaign", "unknown", "sent", one_of_them) == {"id": one_of_them, "was_sent": True, "messages": 1}
    assert open_incidents(campaigns) == ["email_unknown"]
    rest = answer("campaign", "unknown", "not-sent", str(messages[0]["batch_id"]))
    assert (rest["was_sent"], rest["messages"], open_incidents(campaigns)) == (False, 2, [])
    assert answer("campaign", "unknown", "list") == []
    assert history(campaigns) == [("settled_as_sent", "operator", 1), ("settled_as_not_sent", "operator", 2)]
    assert sorted(line[1:] for line in campaigns.lines()) == [
        ("failed", "not_sent"),
        ("failed", "not_sent"),
        ("sent", None),
    ]


@pytest.mark.usefixtures("installation")
@pytest.mark.parametrize("verb", ["sent", "not-sent"])
def test_a_message_that_is_not_unknown_is_refused_by_command(campaigns: CampaignHarness, verb: str) -> None:
    assert "unknown fate" in CliRunner().invoke(app, ["campaign", "unknown", verb, str(uuid4())]).stderr
    command("campaign", "unknown", verb, str(uuid4()), status=2)
    command("campaign", "unknown", verb, "not-an-id", status=2)
    assert history(campaigns) == []


def test_unknown_messages_are_listed_and_settled_through_the_api(
    campaigns: CampaignHarness, api: AdminFunction
) -> None:
    messages = parked(campaigns, "ada", "bob")
    robot, reader = api.token("robot", Role.OPERATE), api.token("reader", Role.READ)
    path = "/api/unknown-messages"
    assert api.call("GET", path, token=reader).status == 403
    listed = api.call("GET", path, token=robot).body
    assert {row["id"] for row in listed} == {str(row["id"]) for row in messages}
    assert api.call("POST", f"{path}/{messages[0]['id']}/sent", token=reader).status == 403
    settled = api.call("POST", f"{path}/{messages[0]['id']}/sent", token=robot)
    assert (settled.status, settled.body["was_sent"], settled.body["messages"]) == (200, True, 1)
    settled = api.call("POST", f"{path}/{messages[1]['id']}/not-sent", token=robot)
    assert (settled.status, settled.body["was_sent"], settled.body["messages"]) == (200, False, 1)
    assert api.call("POST", f"{path}/{messages[1]['id']}/not-sent", token=robot).status == 404
    assert (api.call("GET", path, token=robot).body, open_incidents(campaigns)) == ([], [])
    assert history(campaigns) == [("settled_as_sent", "robot", 1), ("settled_as_not_sent", "robot", 1)]


# --- held ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("installation")
def test_what_waits_is_shown_with_its_reason_and_its_end(campaigns: CampaignHarness, api: AdminFunction) -> None:
    campaign = held(campaigns)
    until = campaigns.now + timedelta(minutes=10)
    shown = answer("campaign", "show", "Spring")["waiting"]
    assert [(each["channel"], each["held_for"], each["number"]) for each in shown] == [("email", "provider_rest", 1)]
    assert datetime.fromisoformat(shown[0]["until"]) == until
    texts = answer("campaign", "show", "Texts")["waiting"]
    assert [(each["channel"], each["held_for"], each["number"]) for each in texts] == [("sms", "provider_rest", 1)]
    printed = command("campaign", "show", "Spring")
    assert "provider_rest" in printed
    assert until.strftime("%Y-%m-%d") in printed
    reader = api.token("reader", Role.READ)
    assert api.call("GET", f"/api/campaigns/{campaign}", token=reader).body["waiting"][0]["held_for"] == "provider_rest"


@pytest.mark.usefixtures("installation")
def test_why_says_of_one_person_what_waits_and_until_when(campaigns: CampaignHarness) -> None:
    held(campaigns)
    until = campaigns.now + timedelta(minutes=10)
    found = answer("why", "ada@example.com")["delivery"]["mails"][0]
    assert (found["status"], found["held_for"], found["campaign"]) == ("queued", "provider_rest", "Spring")
    assert datetime.fromisoformat(found["not_before"]) == until
    text = answer("why", "bob@example.com")["delivery"]["texts"][0]
    assert (text["status"], text["held_for"], text["campaign"]) == ("queued", "provider_rest", "Texts")
    assert datetime.fromisoformat(text["held_until"]) == until
    for who in ("ada", "bob"):
        assert "held for provider_rest until" in command("why", f"{who}@example.com")


# --- taken back ------------------------------------------------------------------------------------------------------


def test_what_waits_is_taken_back_alone_and_every_sequence_goes_on(campaigns: CampaignHarness) -> None:
    steps = [email(1), email(2, delay_days=1)]
    campaign, other = (campaigns.campaign(*steps, name=name, **ALWAYS) for name in ("one", "other"))
    people = campaigns.enroll_many(campaign, 3)
    stranger = campaigns.enroll(other)
    campaigns.sim.fault("429", retry_after=600, times=4)
    campaigns.tick()
    done = cancel_waiting(campaigns.db, campaign, campaigns.now, who="robot")
    assert (done.status, done.changed, done.stopped, done.taken_back) == ("active", True, 0, 3)
    assert [campaigns.lines(person) for person in people] == [[(1, "skipped", "taken_back")]] * 3
    assert campaigns.lines(stranger) == [(1, "pending", None)]
    assert cancel_waiting(campaigns.db, campaign, campaigns.now).changed is False
    (line,) = [
        each for each in show_campaign(campaigns.db, campaign, campaigns.now).history if each.change == "taken_back"
    ]
    assert (line.by, line.about) == ("robot", {"emails": 3, "texts": 0})
    campaigns.sim.faults.clear()
    campaigns.wait(days=1, minutes=1)
    campaigns.tick()
    assert [campaigns.lines(person)[1] for person in people] == [(2, "sent", None)] * 3
    campaigns.assert_accounts()


def test_what_is_on_its_way_is_not_taken_back(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), **ALWAYS)
    person = campaigns.enroll(campaign)
    campaigns.sim.fault("cut_after")
    campaigns.tick()
    assert cancel_waiting(campaigns.db, campaign, campaigns.now).changed is False
    campaigns.wait(minutes=6)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "sent", None)]


@pytest.mark.usefixtures("installation")
def test_what_waits_is_taken_back_by_command_and_through_the_api(
    campaigns: CampaignHarness, api: AdminFunction
) -> None:
    campaign = held(campaigns)
    by_command = answer("campaign", "cancel", "Texts", "--waiting-only")
    assert (by_command["status"], by_command["stopped"], by_command["taken_back"]) == ("active", 0, 1)
    assert one(campaigns.db, "select status, body, reason from sms_sends") == {
        "status": "refused",
        "body": None,
        "reason": "taken_back",
    }
    robot = api.token("robot", Role.OPERATE)
    done = api.call("POST", f"/api/campaigns/{campaign}/cancel", body={"waiting_only": True}, token=robot).body
    assert (done["status"], done["stopped"], done["taken_back"]) == ("active", 0, 1)
    rows = rows_of(
        campaigns.db, "select metadata from entity_history where change_type = 'taken_back' order by changed_at"
    )
    assert [row["metadata"] for row in rows] == [
        {"emails": 0, "texts": 1, "by": "operator"},
        {"emails": 1, "texts": 0, "by": "robot"},
    ]
    command("campaign", "cancel", "--enrollment", str(uuid4()), "--waiting-only", status=2)
    assert {row["status"] for row in rows_of(campaigns.db, "select status from campaigns")} == {"active"}


# --- held for its content --------------------------------------------------------------------------------------------

CHANGES = {
    "person_paused": "update campaign_enrollments set status = 'paused' returning id",
    "replied": "update campaign_enrollments set status = 'replied' returning id",
    "contact_deleted": "update contacts set deleted_at = now() returning id",
    "campaign_paused": "update campaigns set status = 'paused' returning id",
    "campaign_cancelled": "update campaigns set status = 'cancelled' returning id",
    "step_inactive": "update campaign_sequences set is_active = false returning id",
    "opt_out": None,
}


@pytest.mark.parametrize("word", CHANGES)
def test_a_step_that_was_held_for_its_content_is_asked_everything_again_once_it_can_be_made(
    campaigns: CampaignHarness, word: str
) -> None:
    campaign = campaigns.campaign(email(1, subject="Hello {{contact.nickname}}"), **ALWAYS)
    person = campaigns.enroll(campaign, campaigns.contact("ada@example.com"))
    campaigns.tick()
    assert campaigns.enrollment(person)["held_for"] == "content"
    if (change := CHANGES[word]) is not None:
        rows_of(campaigns.db, change)
    else:
        campaigns.suppress("ada@example.com", "opt_out")
    rows_of(campaigns.db, "update campaign_sequences set subject = 'Hello' returning id")
    for _ in range(3):
        campaigns.wait(hours=1)
        campaigns.tick()
    assert campaigns.sim.mails == []


def test_a_step_that_was_held_for_its_content_leaves_once_it_can_be_made(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1, subject="Hello {{contact.nickname}}"), **ALWAYS)
    person = campaigns.enroll(campaign, campaigns.contact("ada@example.com"))
    campaigns.tick()
    (waiting,) = show_campaign(campaigns.db, campaign, campaigns.now).waiting
    assert (waiting.channel, waiting.held_for, waiting.number) == ("step", "content", 1)
    assert waiting.until is not None
    rows_of(campaigns.db, "update campaign_sequences set subject = 'Hello' returning id")
    campaigns.wait(minutes=1)
    campaigns.tick()
    assert campaigns.lines(person) == [(1, "sent", None)]
