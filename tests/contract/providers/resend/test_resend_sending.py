"""Our client and the simulated Resend: whatever goes wrong on the way, everybody gets one mail and nobody two."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from crm_relay.platform.errors import FatalError
from crm_relay.providers.answers import (
    Accepted,
    ConfigurationWrong,
    EmailAnswer,
    KeyMisused,
    Later,
    QuotaExhausted,
    RefusedWhole,
    Unclear,
)
from local.simulators.resend import ResendFault
from tests.support.mail.resend_stage import ResendStage, batch, mail, stage


@pytest.fixture
def made() -> Iterator[ResendStage]:
    with stage() as ready:
        yield ready


def test_a_batch_is_accepted_with_an_id_a_mail(made: ResendStage) -> None:
    answered = made.client().send_batch(batch(100), "batch-1")
    assert answered == Accepted(tuple(each.id for each in made.sim.mails))
    assert len(made.sim.mails) == 100
    assert [each.payload for each in made.sim.mails] == json.loads(batch(100))


def test_a_bad_mail_is_told_and_the_others_are_sent(made: ResendStage) -> None:
    answered = made.client().send_batch(batch([mail(0), mail(1, to=["not an address"]), mail(2)]), "batch-1")
    assert isinstance(answered, Accepted)
    assert answered.ids == (made.sim.mails[0].id, None, made.sim.mails[1].id)
    assert answered.problems[1].startswith("Invalid `to` field.")
    assert made.sim.sends == {"r0@customer.example": 1, "r2@customer.example": 1}


def test_where_the_permissive_mode_has_gone_the_whole_batch_is_refused(made: ResendStage) -> None:
    made.sim.switch(permissive_is_known=False)
    answered = made.client().send_batch(batch([mail(0), mail(1, subject=None)]), "batch-1")
    assert answered == RefusedWhole("422 missing_required_field: The `subject` field is missing.")
    assert made.sim.mails == []


SENT_NOTHING = (Later, QuotaExhausted, ConfigurationWrong, RefusedWhole)
FAULTS: list[tuple[str, type[EmailAnswer]]] = [
    ("500_before", Unclear),
    ("500_after", Unclear),
    ("cut_before", Unclear),
    ("cut_after", Unclear),
    ("garbled_after", Unclear),
    ("502_page", Unclear),
    ("400_page", RefusedWhole),
    ("429", Later),
    ("401", ConfigurationWrong),
]


def test_every_fault_is_tried() -> None:
    assert {kind for kind, _ in FAULTS} == ResendFault.kinds - {"slow", "held"}


@pytest.mark.parametrize(("kind", "meaning"), FAULTS)
def test_after_every_fault_the_same_request_sends_once(
    made: ResendStage, kind: str, meaning: type[EmailAnswer]
) -> None:
    client, payload = made.client(), batch(3)
    made.sim.fault(kind)
    answered = client.send_batch(payload, "batch-1")
    assert isinstance(answered, meaning), answered
    if isinstance(answered, SENT_NOTHING):
        assert made.sim.mails == []
    again = client.send_batch(payload, "batch-1")
    assert again == Accepted(tuple(each.id for each in made.sim.mails))
    assert set(made.sim.sends.values()) == {1}
    assert len(made.sim.mails) == 3
    assert client.requests_sent == 2


def test_a_time_out_while_resend_still_works_is_unclear_and_the_mail_leaves_once(made: ResendStage) -> None:
    made.sim.fault("held")
    with ThreadPoolExecutor(1) as pool:
        impatient = pool.submit(made.client(timeout=0.2).send_batch, batch(2), "batch-1")
        made.sim.wait_until_held()
        assert impatient.result(10) == Unclear("POST /emails/batch: ReadTimeout")
    # It is still being worked on.
    assert made.client().send_batch(batch(2), "batch-1") == Unclear(
        "409 concurrent_idempotent_requests: There is another request in progress with the same idempotency key."
    )
    assert made.sim.mails == []
    made.sim.release()
    answered: EmailAnswer = Unclear("")
    while isinstance(answered, Unclear):
        answered = made.client().send_batch(batch(2), "batch-1")
    assert isinstance(answered, Accepted)
    assert made.sim.sends == {"r0@customer.example": 1, "r1@customer.example": 1}


def test_two_workers_with_the_same_batch_send_it_once(made: ResendStage) -> None:
    def work(worker: int) -> EmailAnswer:
        del worker
        return made.client().send_batch(batch(50), "batch-1")

    with ThreadPoolExecutor(2) as pool:
        for answered in pool.map(work, range(20)):
            assert isinstance(answered, Accepted | Unclear)
    assert len(made.sim.mails) == 50


def test_another_payload_under_the_same_key_is_told_apart(made: ResendStage) -> None:
    made.client().send_batch(batch([mail(1)]), "batch-1")
    assert made.client().send_batch(batch([mail(2)]), "batch-1") == KeyMisused()
    assert made.sim.sends == {"r1@customer.example": 1}


@pytest.mark.parametrize(("name", "period"), [("daily_quota", "day"), ("monthly_quota", "month")])
def test_an_exhausted_quota_is_told_apart(made: ResendStage, name: str, period: str) -> None:
    made.sim.switch(**{name: 2})
    answered = made.client().send_batch(batch(3), "batch-1")
    assert isinstance(answered, QuotaExhausted)
    assert answered.period == period


def test_the_limit_of_requests_says_when_to_come_back(made: ResendStage) -> None:
    made.sim.switch(requests_per_second=1)
    client = made.client()
    answers = [client.send_batch(batch(1), f"batch-{number}") for number in range(10)]
    later = [each for each in answers if isinstance(each, Later)]
    assert later
    assert {each.seconds for each in later} == {1}
    assert len(made.sim.mails) == 10 - len(later)
    assert (client.rate_limit.remaining, client.rate_limit.reset_seconds) == (0, 1)


def test_a_sender_without_a_verified_domain_is_the_operators(made: ResendStage) -> None:
    made.sim.switch(verified_domains=["acme.example"])
    answered = made.client().send_batch(batch([mail(**{"from": "x@other.example"})]), "batch-1")
    assert isinstance(answered, ConfigurationWrong)
    assert answered.of_sender
    unknown = made.client(key="re_unknown").send_batch(batch(1), "batch-2")
    assert isinstance(unknown, ConfigurationWrong)
    assert not unknown.of_sender
    assert made.sim.mails == []


def test_a_server_that_has_gone_has_sent_nothing(made: ResendStage) -> None:
    client = made.client()
    assert isinstance(client.send_batch(batch(1), "batch-1"), Accepted)
    made.sim.stop()
    assert isinstance(client.send_batch(batch(1), "batch-2"), Later)
    assert len(made.sim.mails) == 1


@pytest.mark.parametrize("seed", range(4))
def test_under_any_chain_of_faults_the_ledger_has_everybody_once(made: ResendStage, seed: int) -> None:
    """Whoever repeats the same bytes under the same key until an answer settles them."""
    chance = random.Random(seed)
    for _ in range(20):
        made.sim.fault(chance.choice([kind for kind, _ in FAULTS]), times=chance.randint(1, 2))
    client = made.client()
    for number in range(10):
        payload = batch([mail(f"{number}-{each}") for each in range(5)])
        answered: EmailAnswer = Unclear("")
        while not isinstance(answered, Accepted):
            answered = client.send_batch(payload, f"batch-{number}")
        assert answered.ids == tuple(each.id for each in made.sim.mails[-5:])
    assert set(made.sim.sends.values()) == {1}
    assert len(made.sim.sends) == 50


def test_a_reply_is_read_by_its_headers_with_a_key_for_everything(made: ResendStage) -> None:
    made.client().send_batch(batch([mail(1, reply_to="reply+t0ken@in.acme.example")]), "batch-1")
    reply = made.sim.reply(made.sim.mails[0], text="never to be kept", headers={"Auto-Submitted": "auto-replied"})
    found = made.client(key=made.sim.api_key).received(reply.id)
    assert found is not None
    assert (found.in_reply_to, found.references) == (made.sim.mails[0].message_id, (made.sim.mails[0].message_id,))
    assert found.headers == {"auto-submitted": "auto-replied"}
    assert (found.from_address, found.to) == ("r1@customer.example", ("reply+t0ken@in.acme.example",))
    assert "never to be kept" not in repr(found)
    assert made.client(key=made.sim.api_key).received("00000000-0000-0000-0000-000000000000") is None
    with pytest.raises(FatalError, match="restricted_api_key"):
        made.client().received(reply.id)


def test_a_webhook_is_seen_to_once(made: ResendStage) -> None:
    client = made.client(key=made.sim.api_key)
    for number in range(101):
        made.sim.hook(f"https://elsewhere.example.com/{number}")
    url, events = "https://crm.example.com/webhooks/resend", ["email.sent", "email.bounced"]
    first = client.ensure_webhook(url, events)
    hook = made.sim.account.hooks[first.webhook_id]
    assert (first.signing_secret, first.changed) == (hook.secret, True)
    again = client.ensure_webhook(url, events)
    assert (again.webhook_id, again.signing_secret, again.changed) == (hook.id, None, False)
    hook.status = "disabled"
    assert client.ensure_webhook(url, ["email.opened"]).changed
    assert (hook.status, hook.events) == ("enabled", ["email.opened"])
    assert len(made.sim.account.hooks) == 102
