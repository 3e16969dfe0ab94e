"""Mail through a provider that takes one mail a request and knows no keys: nobody gets two, and nobody is forgotten."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from crm_relay.mail.models import Fate
from crm_relay.mail.sending.send_batches import SendContext
from crm_relay.platform.database import Database
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.mail.keyless_provider import KeylessProvider
from tests.support.mail.mail_harness import MONDAY, MailHarness
from tests.support.platform.rows import rows_of


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


@pytest.fixture
def keyless() -> KeylessProvider:
    return KeylessProvider()


def context(post: MailHarness, keyless: KeylessProvider, database: Database | None = None) -> SendContext:
    return SendContext(database or post.db, keyless, post.policy)


def test_a_queued_batch_leaves_mail_by_mail(post: MailHarness, keyless: KeylessProvider) -> None:
    post.queue("ada", "bob", "cleo")
    done = post.send(context(post, keyless))
    assert (done.sent, done.requests, done.held, done.stopped) == (3, 3, 0, None)
    assert keyless.sends == {"ada@example.com": 1, "bob@example.com": 1, "cleo@example.com": 1}
    assert post.status() == dict.fromkeys(("ada", "bob", "cleo"), "sent")
    assert set(post.settler.fates.values()) == {"sent"}


def test_parts_are_as_large_as_the_provider_takes(post: MailHarness, keyless: KeylessProvider) -> None:
    keyless.largest_batch = 2
    post.queue("ada", "bob", "cleo", "dora", "emil")
    done = post.send(context(post, keyless))
    assert (done.sent, done.requests) == (5, 3)
    assert sorted(keyless.sends) == [f"{name}@example.com" for name in ("ada", "bob", "cleo", "dora", "emil")]


def test_who_opts_out_between_two_parts_gets_nothing(post: MailHarness, keyless: KeylessProvider) -> None:
    post.queue("ada", "bob")
    post.send_one(context(post, keyless))
    post.opt_out("bob")
    assert post.send(context(post, keyless)).refused == 1
    assert keyless.sends == {"ada@example.com": 1}


@pytest.mark.parametrize("trouble", ["lost_before", "lost_after"])
def test_what_is_unclear_is_never_sent_again_and_given_up_after_a_day(
    post: MailHarness, keyless: KeylessProvider, trouble: str
) -> None:
    keyless.troubles.append(trouble)  # type: ignore[arg-type]
    (ada,) = post.queue("ada")
    assert post.send(context(post, keyless)).postponed == 1
    for _ in range(30):
        post.wait(hours=1)
        post.send(context(post, keyless))
    assert keyless.requests == 1
    assert post.status() == {"ada": "unknown"}
    assert post.settler.fates == {ada: Fate.UNKNOWN.value}
    assert "email_unknown" in post.incidents()


def test_an_event_settles_what_was_unclear_as_sent(post: MailHarness, keyless: KeylessProvider) -> None:
    keyless.troubles.append("lost_after")
    (ada,) = post.queue("ada")
    post.send(context(post, keyless))
    rows_of(
        post.db,
        """select apply_mail_event(jsonb_build_object(
               'key', 'event-1', 'kind', 'delivered', 'occurred_at', cast(:at as timestamptz),
               'send', cast(:id as text), 'email_id', 'keyless-0'))""",
        at=post.now + timedelta(seconds=20),
        id=str(ada),
    )
    post.wait(minutes=20)
    assert post.send(context(post, keyless)).sent == 1
    assert keyless.requests == 1
    assert post.settler.fates == {ada: Fate.SENT.value}


def test_a_provider_that_is_away_is_asked_again(post: MailHarness, keyless: KeylessProvider) -> None:
    keyless.troubles.append("away")
    post.queue("ada")
    assert post.send(context(post, keyless)).postponed == 1
    post.wait(minutes=5)
    assert post.send(context(post, keyless)).sent == 1
    assert keyless.sends == {"ada@example.com": 1}
