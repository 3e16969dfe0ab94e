"""Attempts to send a text message: when one is looked for, whose answer counts, and what waits for settings."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from crm_relay.campaigns.lifecycle.change_campaign import pause, resume
from crm_relay.campaigns.lifecycle.end_campaign import cancel
from crm_relay.mail.holds.holds import waiting_of
from crm_relay.mail.models import Fate
from crm_relay.mail.purposes import CAMPAIGN
from crm_relay.mail.sending.gate import GateVerdict
from crm_relay.mail.texts import store
from crm_relay.mail.texts.models import QueuedText
from crm_relay.mail.texts.record_text import TextOutcome, record_outcome, set_aside
from crm_relay.platform.database import Database
from crm_relay.providers.answers import Later, Taken, TextAnswer, Unclear
from crm_relay.providers.text import TextMessage
from tests.support.campaigns.campaign_harness import ALWAYS, CampaignHarness, email, step
from tests.support.platform.rows import one, rows_of
from tests.support.processes.sudden_death import Killed

NUMBER = "+15550100001"
OPEN = "select kind from incidents where closed_at is null"


class Scripted:
    """Gives these answers, then takes everything; remembers when it was asked what it has, and shows nothing."""

    name = "twilio"

    def __init__(self, campaigns: CampaignHarness, *answers: TextAnswer | BaseException) -> None:
        self.campaigns, self.answers = campaigns, list(answers)
        self.sent, self.asked = list[tuple[datetime, str]](), list[datetime]()
        self.is_known_by_now = False

    def send(self, to: str, body: str) -> TextAnswer:
        self.sent.append((self.campaigns.now, to))
        answer = self.answers.pop(0) if self.answers else Taken(f"SM{len(self.sent)}", "queued")
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def find(self, to: str, body: str, since: datetime, known: Collection[str] = ()) -> TextMessage | None:
        self.asked.append(self.campaigns.now)
        return TextMessage("SM_late", "delivered", None) if self.is_known_by_now else None


def people(campaigns: CampaignHarness, number: int, *, phone: str = NUMBER) -> tuple[UUID, list[UUID]]:
    """So many with one number, in one campaign."""
    campaign = campaigns.campaign(step("sms", 1, body_text="Hello"), email(2, delay_days=1), **ALWAYS)
    return campaign, [campaigns.enroll(campaign, campaigns.contact(phone=phone)) for _ in range(number)]


def incidents(campaigns: CampaignHarness) -> set[tuple[str, str]]:
    rows = rows_of(campaigns.db, "select kind, subject from incidents where closed_at is null")
    return {(row["kind"], row["subject"]) for row in rows}


def claim(campaigns: CampaignHarness) -> QueuedText:
    until = campaigns.now + timedelta(minutes=5)
    found = campaigns.db.transact(
        lambda tx: store.claim_text(tx, campaigns.now, purposes=(CAMPAIGN,), claimed_until=until, held_until=until)
    )
    assert found is not None
    return found


def record(campaigns: CampaignHarness, queued: QueuedText, outcome: TextOutcome) -> list[Fate]:
    """The fates that the owner hears of."""
    heard: list[Fate] = []
    record_outcome(
        campaigns.db,
        queued,
        outcome,
        lambda _tx, settled, _now: heard.extend(each.fate for each in settled),
        campaigns.now,
        provider="twilio",
    )
    return heard


@pytest.mark.parametrize("answer", [Unclear("no answer"), Killed()])
def test_a_lost_message_is_looked_for_after_five_and_twenty_minutes_and_repeated_only_then(
    campaigns: CampaignHarness, answer: TextAnswer | Killed
) -> None:
    """Whoever asks sooner, or only once, may not be shown it yet, and would send it again."""
    provider = campaigns.texts = Scripted(campaigns, answer)
    people(campaigns, 1)
    began = campaigns.now
    with suppress(Killed):
        campaigns.tick()
    for _ in range(22):
        campaigns.wait(minutes=1)
        campaigns.tick()
    assert provider.asked == [began + timedelta(minutes=5), began + timedelta(minutes=20)]
    assert [at for at, _ in provider.sent] == [began, began + timedelta(minutes=20)]


@pytest.mark.parametrize("later", [Later("429", 60), Later("503", None)])
def test_a_message_that_may_have_been_sent_is_looked_for_again_after_it_was_put_off(
    campaigns: CampaignHarness, later: TextAnswer
) -> None:
    """The list may lag: what was not in it before the provider wanted a rest may be in it now."""
    provider = campaigns.texts = Scripted(campaigns, Unclear("no answer"), later)
    people(campaigns, 1)
    for _ in range(60):
        campaigns.tick()
        campaigns.wait(minutes=1)
        provider.is_known_by_now = len(provider.sent) == 2
    assert len(provider.sent) == 2
    assert len(provider.asked) >= 2
    assert [row["status"] for row in rows_of(campaigns.db, "select status from sms_sends")] == ["sent"]


def test_a_message_that_may_have_been_sent_is_looked_for_again_after_a_pause(campaigns: CampaignHarness) -> None:
    provider = campaigns.texts = Scripted(campaigns, Unclear("no answer"))
    campaign, _ = people(campaigns, 1)
    campaigns.tick()
    pause(campaigns.db, campaign, campaigns.now)
    for minutes in (6, 16):
        campaigns.wait(minutes=minutes)
        campaigns.tick()
    assert len(provider.asked) == 2
    row = one(campaigns.db, "select status, held_for, first_attempt_at is not null as is_tried from sms_sends")
    assert (row["status"], row["held_for"], row["is_tried"]) == ("sending", "campaign_paused", True)
    campaigns.wait(days=2)
    provider.is_known_by_now = True
    resume(campaigns.db, campaign, campaigns.now)
    campaigns.tick()
    campaigns.wait(minutes=6)
    campaigns.tick()
    assert (len(provider.sent), len(provider.asked)) == (1, 3)
    assert one(campaigns.db, "select status from sms_sends")["status"] == "sent"


def test_a_late_answer_of_an_earlier_attempt_writes_nothing(campaigns: CampaignHarness) -> None:
    people(campaigns, 1)
    campaigns.texts = Scripted(campaigns, Killed())
    with suppress(Killed):
        campaigns.tick()
    campaigns.wait(minutes=6)
    first = claim(campaigns)
    campaigns.wait(minutes=6)
    second = claim(campaigns)
    late = TextOutcome(GateVerdict(Fate.FAILED, reason="late"))
    assert record(campaigns, first, late) == []
    assert one(campaigns.db, "select status, reason, attempts from sms_sends") == {
        "status": "sending",
        "reason": None,
        "attempts": second.attempts,
    }
    assert record(campaigns, second, TextOutcome(GateVerdict(Fate.SENT), sid="SM1")) == [Fate.SENT]


def test_a_late_answer_of_an_earlier_generation_writes_nothing(campaigns: CampaignHarness) -> None:
    """Both are a first attempt: the message surely was not sent in between, and began anew."""
    people(campaigns, 1)
    campaigns.texts = Scripted(campaigns, Later("busy", 60))
    campaigns.tick()
    campaigns.wait(minutes=2)
    first = claim(campaigns)
    later = TextOutcome(GateVerdict(until=campaigns.now, reason="busy"))
    assert record(campaigns, first, later) == []
    second = claim(campaigns)
    assert (first.attempts, second.attempts, second.generation - first.generation) == (1, 1, 1)
    assert record(campaigns, first, TextOutcome(GateVerdict(Fate.FAILED, reason="late"))) == []
    assert one(campaigns.db, "select status from sms_sends")["status"] == "sending"


def test_two_people_who_share_a_number_get_a_step_each(campaigns: CampaignHarness) -> None:
    provider = campaigns.texts = Scripted(campaigns)
    _, (ada, bob) = people(campaigns, 2)
    campaigns.tick()
    assert len(provider.sent) == 2
    assert [campaigns.lines(person) for person in (ada, bob)] == [[(1, "sent", None)]] * 2


def test_two_who_are_corrected_to_one_person_while_they_wait_get_a_step_once(campaigns: CampaignHarness) -> None:
    provider = campaigns.texts = Scripted(campaigns, Later("busy", 60))
    _, (ada, bob) = people(campaigns, 2)
    campaigns.tick()
    rows_of(campaigns.db, "update contacts set email = 'Ada@example.com' returning id")
    campaigns.wait(minutes=2)
    campaigns.tick()
    assert len(provider.sent) == 2
    assert sorted([campaigns.lines(ada), campaigns.lines(bob)]) == [
        [(1, "sent", None)],
        [(1, "stopped", "duplicate_number")],
    ]


def test_a_message_for_a_number_that_is_being_written_to_waits_for_what_becomes_of_it(
    campaigns: CampaignHarness,
) -> None:
    """The first one proves to be refused for its own sake: then the second one leaves."""
    provider = campaigns.texts = Scripted(campaigns, Unclear("no answer"))
    _, (ada, bob) = people(campaigns, 2)
    campaigns.tick()
    assert len(provider.sent) == 1
    waiting = one(campaigns.db, "select enrollment_id from sms_sends where status = 'queued'")["enrollment_id"]
    first = bob if waiting == ada else ada
    rows_of(campaigns.db, "update campaign_enrollments set status = 'replied' where id = :id returning id", id=first)
    campaigns.wait(minutes=6)
    campaigns.tick()
    campaigns.wait(minutes=16)
    campaigns.tick()
    campaigns.wait(minutes=6)
    campaigns.tick()
    assert campaigns.lines(first) == [(1, "stopped", "replied")]
    assert campaigns.lines(waiting) == [(1, "sent", None)]


def test_workers_side_by_side_write_once_to_each_of_those_who_share_a_number(
    campaigns: CampaignHarness, database_url: str
) -> None:
    provider = campaigns.texts = Scripted(campaigns)
    _, enrolled = people(campaigns, 12)
    rows_of(campaigns.db, "update delivery_limits set emails_per_minute = null returning org_id")
    databases = [Database(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda db: campaigns.tick(db=db), databases))
    for database in databases:
        database.close()
    campaigns.tick()
    assert len(provider.sent) == 12
    lines = [campaigns.lines(person)[0][1:] for person in enrolled]
    assert lines == [("sent", None)] * 12


def test_messages_that_wait_while_the_settings_are_removed_hold_with_a_reason_and_leave_when_they_return(
    campaigns: CampaignHarness,
) -> None:
    provider = Scripted(campaigns, Later("busy", 60))
    campaigns.texts = provider
    campaign = campaigns.campaign(step("sms", 1, body_text="Hello"), **ALWAYS)
    enrolled = [campaigns.enroll(campaign, campaigns.contact(phone=f"+1555010000{n}")) for n in range(3)]
    campaigns.tick()
    campaigns.texts = None
    campaigns.wait(minutes=2)
    campaigns.tick()
    until = campaigns.now + timedelta(minutes=15)
    (waiting,) = waiting_of(campaigns.db, campaign)
    assert (waiting.channel, waiting.held_for, waiting.messages, waiting.until) == ("sms", "configuration", 3, until)
    assert incidents(campaigns) == {("sms_configuration", "none")}
    # Everything else is still asked: whoever leaves meanwhile is refused, with their word.
    rows_of(
        campaigns.db, "update campaign_enrollments set status = 'replied' where id = :id returning id", id=enrolled[0]
    )
    campaigns.texts = provider
    campaigns.wait(minutes=16)
    campaigns.tick()
    assert [campaigns.lines(person)[0][1] for person in enrolled] == ["stopped", "sent", "sent"]
    assert incidents(campaigns) == set()


def test_what_was_cut_off_before_the_settings_were_removed_is_given_up_as_unknown(campaigns: CampaignHarness) -> None:
    campaigns.texts = Scripted(campaigns, Unclear("no answer"))
    _, (ada,) = people(campaigns, 1)
    campaigns.tick()
    campaigns.texts = None
    for _ in range(8):
        campaigns.wait(hours=1)
        campaigns.tick()
    assert campaigns.lines(ada)[0] == (1, "failed", "unknown")
    assert {kind for kind, _ in incidents(campaigns)} == {"sms_unknown"}


def test_the_incident_about_missing_settings_closes_when_nothing_waits_for_them(campaigns: CampaignHarness) -> None:
    campaigns.texts = Scripted(campaigns, Later("busy", 60))
    campaign, _ = people(campaigns, 1)
    campaigns.tick()
    campaigns.texts = None
    campaigns.wait(minutes=2)
    campaigns.tick()
    assert incidents(campaigns) == {("sms_configuration", "none")}
    cancel(campaigns.db, campaign, campaigns.now)
    campaigns.tick()
    assert incidents(campaigns) == set()


def test_a_rest_that_the_provider_asks_for_shows_with_every_message_that_waits(campaigns: CampaignHarness) -> None:
    campaigns.texts = Scripted(campaigns, Later("busy", 60))
    campaign = campaigns.campaign(step("sms", 1, body_text="Hello"), **ALWAYS)
    for number in range(3):
        campaigns.enroll(campaign, campaigns.contact(phone=f"+1555010000{number}"))
    campaigns.tick()
    (waiting,) = waiting_of(campaigns.db, campaign)
    assert (waiting.held_for, waiting.messages) == ("provider_rest", 3)
    assert waiting.until == campaigns.now + timedelta(minutes=1)


def test_a_message_that_is_set_aside_stays_reported_until_it_was_looked_at(campaigns: CampaignHarness) -> None:
    """While it is claimed, or not due yet, a look at it says nothing."""
    campaigns.texts = Scripted(campaigns)
    _, (person,) = people(campaigns, 1)
    refuse = (
        """create function refuse() returns trigger language plpgsql as $$ begin raise exception 'planted'; end $$"""
    )
    rows_of(campaigns.db, refuse)
    when = "before update on sms_sends for each row when (new.status in ('sent', 'unknown'))"
    rows_of(campaigns.db, f"create trigger refuse {when} execute function refuse()")
    for _ in range(4):
        campaigns.tick()
        assert [row["kind"] for row in rows_of(campaigns.db, OPEN)] == ["sms_refused"]
        campaigns.wait(minutes=1)
    rows_of(campaigns.db, "drop trigger refuse on sms_sends")
    for _ in range(2):
        campaigns.wait(minutes=16)
        campaigns.tick()
    assert (campaigns.lines(person)[0], rows_of(campaigns.db, OPEN)) == ((1, "sent", None), [])


def test_a_message_that_is_set_aside_and_taken_back_is_reported_no_more(campaigns: CampaignHarness) -> None:
    campaigns.texts = Scripted(campaigns, Later("rest", 60.0))
    people(campaigns, 1)
    campaigns.tick()
    message = one(campaigns.db, "select id from sms_sends")["id"]
    set_aside(campaigns.db, message, ValueError(), campaigns.now)
    campaigns.tick()
    assert [row["kind"] for row in rows_of(campaigns.db, OPEN)] == ["sms_refused"]
    rows_of(campaigns.db, "update sms_sends set status = 'refused', reason = 'taken_back'")
    campaigns.tick()
    assert rows_of(campaigns.db, OPEN) == []
