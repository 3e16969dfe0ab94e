"""A stop between two requests of one worker is seen before the second, whatever the first one was about."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import UUID

import pytest

from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.record import record_events
from crm_relay.mail.sending import store as sending_store
from crm_relay.mail.stops.stop_sending import SendingChanged, resume_sending, stop_sending, watch_stops
from crm_relay.platform.database import Database, Transaction
from crm_relay.providers.resend.client import Resend
from crm_relay.providers.twilio.client import Twilio
from local.simulators.twilio import TwilioSimulator
from tests.support.campaigns.campaign_harness import ALWAYS, CampaignHarness, email, step
from tests.support.campaigns.planted_faults import FaultyDatabase, PlantedFault
from tests.support.platform.rows import one, parse, rows_of

NUMBER = "+15550100001"


@pytest.fixture
def unclear(campaigns: CampaignHarness, twilio: TwilioSimulator) -> UUID:
    """Somebody with a text message whose outcome is unknown; it is looked up by the next run."""
    campaign = campaigns.campaign(step("sms", 1, body_text="Hello"), **ALWAYS)
    person = campaigns.enroll(campaign, campaigns.contact("a@example.com", phone=NUMBER))
    twilio.fault("500_before")
    campaigns.tick()
    campaigns.wait(minutes=20)
    return person


@contextmanager
def rows_locked(db: Database, statement: str) -> Iterator[None]:
    """As long as the block lasts, by a transaction of its own."""
    db.run_script(f"begin; {statement}")
    try:
        yield
    finally:
        db.run_script("rollback")


def before(monkeypatch: pytest.MonkeyPatch, kind: type, method: str, act: Callable[[], object]) -> None:
    """Somebody acts while the provider is asked."""
    ask = getattr(kind, method)

    def act_and_ask(client: Any, *given: Any) -> Any:
        act()
        return ask(client, *given)

    monkeypatch.setattr(kind, method, act_and_ask)


def test_a_text_does_not_leave_after_a_stop_that_came_while_it_was_looked_up(
    campaigns: CampaignHarness, twilio: TwilioSimulator, unclear: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(monkeypatch, Twilio, "find", lambda: stop_sending(campaigns.db, campaigns.now))
    campaigns.tick()
    monkeypatch.undo()
    assert (len(twilio.texts), campaigns.lines(unclear)) == (0, [(1, "pending", None)])
    waits = one(campaigns.db, "select status, held_for, claimed_until from sms_sends")
    assert waits == {"status": "sending", "held_for": "stopped_by_operator", "claimed_until": None}
    campaigns.wait(minutes=1)
    resume_sending(campaigns.db, campaigns.now)
    for _ in range(2):
        campaigns.tick()
        campaigns.wait(minutes=16)
    assert (len(twilio.texts), campaigns.lines(unclear)) == (1, [(1, "sent", None)])


def test_a_stop_that_somebody_has_locked_counts_and_is_not_waited_for(
    campaigns: CampaignHarness, twilio: TwilioSimulator, unclear: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, holds = Database(campaigns.url), ExitStack()

    def stop_and_lock() -> None:
        stop_sending(campaigns.db, campaigns.now)
        holds.enter_context(rows_locked(other, "select id from sending_stops for update"))

    before(monkeypatch, Twilio, "find", stop_and_lock)
    with holds:
        campaigns.tick()
        assert (len(twilio.texts), campaigns.lines(unclear)) == (0, [(1, "pending", None)])
    other.close()
    monkeypatch.undo()
    resume_sending(campaigns.db, campaigns.now)
    for minutes in (10, 16):
        campaigns.wait(minutes=minutes)
        campaigns.tick()
    assert (len(twilio.texts), campaigns.lines(unclear)) == (1, [(1, "sent", None)])


def test_a_text_does_not_leave_after_an_opt_out_that_came_while_it_was_looked_up(
    campaigns: CampaignHarness, twilio: TwilioSimulator, unclear: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ConsentEvent(ConsentKind.OPT_OUT, NUMBER, "test", campaigns.now, ConsentChannel.SMS, "out", org_id=None)
    before(monkeypatch, Twilio, "find", lambda: campaigns.db.transact(lambda tx: record_events(tx, [out])))
    campaigns.tick()
    assert (len(twilio.texts), [status for _, status, _ in campaigns.lines(unclear)]) == (0, ["stopped"])


def test_an_unclear_batch_is_not_repeated_after_a_stop_that_came_while_it_was_looked_up(
    campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = campaigns.campaign(email(1), **ALWAYS)
    person = campaigns.enroll(campaign, campaigns.contact("a@example.com"))
    campaigns.sim.fault("500_before")
    campaigns.tick()
    # The window is shut: a key that may only send cannot look up, and repeats the request.
    rows_of(campaigns.db, "update campaigns set send_window_start = '00:00', send_window_end = '00:01' returning id")
    campaigns.wait(minutes=20)
    requests = campaigns.sim.requests["POST /emails/batch"]
    before(monkeypatch, Resend, "find_sent", lambda: stop_sending(campaigns.db, campaigns.now))
    campaigns.tick()
    monkeypatch.undo()
    assert campaigns.sim.requests["POST /emails/batch"] == requests
    assert campaigns.lines(person) == [(1, "pending", None)]
    # A provider is not asked again within five minutes.
    campaigns.wait(minutes=6)
    resume_sending(campaigns.db, campaigns.now)
    campaigns.tick()
    assert (len(campaigns.sim.mails), campaigns.lines(person)) == (1, [(1, "sent", None)])


def test_a_stop_between_two_parts_of_one_batch_is_seen_before_the_second(
    campaigns: CampaignHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = campaigns.campaign(email(1), **ALWAYS)
    people = campaigns.enroll_many(campaign, 8)
    campaigns.sim.fault("429", retry_after=60)
    campaigns.tick()
    campaigns.wait(minutes=20)
    mails = rows_of(campaigns.db, "select id from email_sends order by position")
    fault = PlantedFault(
        [sending_store._SQL["freeze_batch"]], sending_store._SQL["freeze_batch"], [str(mails[3]["id"])]
    )
    before(monkeypatch, Resend, "send_batch", lambda: stop_sending(campaigns.db, campaigns.now))
    with_fault = FaultyDatabase(campaigns.url, fault)
    campaigns.tick(db=with_fault)
    with_fault.close()
    monkeypatch.undo()
    assert fault.fired
    assert campaigns.sim.requests["POST /emails/batch"] == 2
    assert 0 < len(campaigns.sim.mails) < 7
    campaigns.wait(hours=2)
    resume_sending(campaigns.db, campaigns.now)
    campaigns.tick()
    assert {status for each in people for _, status, _ in campaigns.lines(each)} == {"sent"}
    assert len(campaigns.sim.mails) == len({each.recipients[0] for each in campaigns.sim.mails}) == 8


def test_a_stop_takes_effect_while_somebody_holds_its_incident(campaigns: CampaignHarness) -> None:
    stop_sending(campaigns.db, campaigns.now)
    resume_sending(campaigns.db, campaigns.now)
    somebody, operator = Database(campaigns.url), Database(campaigns.url, timeout=1)

    def stop_meanwhile(tx: Transaction) -> SendingChanged:
        tx.run(parse("select id from incidents where kind = 'sending_stopped' for update"))
        return stop_sending(operator, campaigns.now)

    assert somebody.transact(stop_meanwhile).changed
    somebody.close()
    operator.close()
    watch_stops(campaigns.db, campaigns.now)
    assert one(campaigns.db, "select count(*) as n from incidents where closed_at is null")["n"] == 1
