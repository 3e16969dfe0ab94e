"""Workers that run side by side, and workers that die: nobody gets two, nobody is lost, no fate is told twice."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from crm_relay.mail.models import always_wanted
from crm_relay.mail.sending.begin_batch import BatchWork
from crm_relay.mail.sending.in_parts_of_batch import begin_in_parts
from crm_relay.mail.sending.send_batches import SendContext
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import RowRefused
from crm_relay.providers.answers import ConfigurationWrong, EmailAnswer, KeyMisused, QuotaExhausted, RefusedWhole
from crm_relay.providers.resend.client import Resend
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.mail.mail_harness import MONDAY, MailHarness, add_identity
from tests.support.platform.rows import one, parse, rows_of
from tests.support.processes.sudden_death import Killed, Life, MortalDatabase, MortalHttp

# Claim, freeze, commit; the request; record, settle (here nothing) and commit, and some looks more.
STEPS = 8


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


def recover(post: MailHarness) -> None:
    for _ in range(4):
        post.wait(minutes=3)
        post.send()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("last", range(1, STEPS + 1))
def test_killed_at_any_step_everybody_gets_exactly_one(
    post: MailHarness, database_url: str, last: int, before: bool
) -> None:
    post.queue("ada", "bob", "cyd")
    life = Life(last=last, before=before)
    database = MortalDatabase(database_url, life)
    http = MortalHttp(post.simulator.url, (2.0, 5.0), repeats=0, life=life)
    with pytest.raises(Killed):
        post.send(SendContext(database, Resend(http, post.simulator.api_key), post.policy))
    database.close()
    recover(post)
    assert dict(post.simulator.sends) == {f"{name}@example.com": 1 for name in ("ada", "bob", "cyd")}
    assert set(post.status().values()) == {"sent"}
    assert {batch["state"] for batch in post.batches()} == {"done"}


def test_without_the_frozen_bytes_the_same_deaths_would_double_mails(post: MailHarness, database_url: str) -> None:
    """The harness notices: a worker that forgot its attempt sends again under another key."""
    post.queue("ada")
    life = Life(last=4, before=False)
    database = MortalDatabase(database_url, life)
    http = MortalHttp(post.simulator.url, (2.0, 5.0), repeats=0, life=life)
    with pytest.raises(Killed):
        post.send(SendContext(database, Resend(http, post.simulator.api_key), post.policy))
    database.close()
    rows_of(
        post.db,
        "update email_batches set state = 'queued', attempts = 0, payload = null, claimed_until = null, "
        "generation = generation + 1",
    )
    rows_of(post.db, "update email_sends set status = 'queued'")
    recover(post)
    assert post.got("ada") == 2


def test_many_workers_share_the_batches_and_send_each_mail_once(post: MailHarness, database_url: str) -> None:
    for number in range(12):
        post.queue(f"p{number}", f"q{number}", f"r{number}")
    barrier = threading.Barrier(4)

    def work(_: int) -> int:
        database = Database(database_url)
        barrier.wait()
        sent = post.send(post.send_context(database)).sent
        database.close()
        return sent

    with ThreadPoolExecutor(4) as workers:
        sent = sum(workers.map(work, range(4)))
    assert sent == 36
    assert set(post.simulator.sends.values()) == {1}
    assert len(post.settler.fates) == 36
    assert post.simulator.requests["POST /emails/batch"] == 12


def test_a_batch_that_another_worker_is_sending_is_left_alone(post: MailHarness, database_url: str) -> None:
    post.queue("ada")
    post.simulator.fault("held")
    with ThreadPoolExecutor(1) as workers:
        database = Database(database_url)
        first = workers.submit(post.send, post.send_context(database))
        post.simulator.wait_until_held()
        assert post.send().batches == 0
        post.simulator.release()
        assert first.result().sent == 1
        database.close()
    assert post.got("ada") == 1


def test_two_workers_on_one_batch_record_and_tell_its_fate_once(post: MailHarness, database_url: str) -> None:
    """The first one is so slow that its claim runs out; both are told the same, and one of them records it."""
    (ada,) = post.queue("ada")
    post.simulator.fault("held")
    with ThreadPoolExecutor(1) as workers:
        database = Database(database_url)
        first = workers.submit(post.send, post.send_context(database))
        post.simulator.wait_until_held()
        post.wait(minutes=2)
        # 409: the same key is being worked on.
        assert post.send().postponed == 1
        post.simulator.release()
        assert first.result().sent == 1
        database.close()
    recover(post)
    assert post.settler.fates == {ada: "sent"}
    assert post.got("ada") == 1


class Dawdler:
    """Holds an answer back until another worker has sent the same batch again and recorded it."""

    name = "resend"
    largest_batch = 100
    has_idempotency_key = True

    def __init__(self, post: MailHarness) -> None:
        self._post = post

    def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
        answer = self._post.client().send_batch(payload, key)
        self._post.wait(minutes=2)
        assert self._post.send().sent == 1
        return answer


def test_whoever_brings_the_answer_second_changes_nothing_and_tells_nobody(
    post: MailHarness, database_url: str
) -> None:
    (ada,) = post.queue("ada")
    database = Database(database_url)
    report = post.send(SendContext(database, Dawdler(post), post.policy))
    database.close()
    assert (report.requests, report.sent) == (1, 0)
    assert post.settler.fates == {ada: "sent"}
    assert post.got("ada") == 1


def test_a_late_refusal_of_a_slow_worker_frees_nothing_that_another_one_carries_on(
    post: MailHarness, database_url: str
) -> None:
    """First attempt: held, then accepted. Second attempt meanwhile: 429. That says nothing of the first."""
    post.queue("ada")
    post.simulator.fault("held")
    with ThreadPoolExecutor(1) as workers:
        database = Database(database_url)
        first = workers.submit(post.send, post.send_context(database))
        post.simulator.wait_until_held()
        post.wait(minutes=2)
        post.simulator.fault("429", retry_after=1)
        post.send()
        row = one(post.db, "select state, generation, attempts from email_batches")
        assert row == {"state": "sending", "generation": 1, "attempts": 2}
        post.simulator.release()
        first.result()
        database.close()
    recover(post)
    assert post.got("ada") == 1
    assert post.status() == {"ada": "sent"}


class Overtaken:
    """While it waits for its answer another worker makes the same request again, and gets none."""

    name, largest_batch, has_idempotency_key = "resend", 100, True

    def __init__(self, post: MailHarness, answer: EmailAnswer) -> None:
        self._post, self._answer = post, answer

    def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
        self._post.wait(minutes=2)
        self._post.simulator.fault("cut_after")
        self._post.send()
        return self._answer


@pytest.mark.parametrize(
    "answer",
    [
        KeyMisused(),
        RefusedWhole("one of them is wrong", is_named=True),
        ConfigurationWrong("a domain is not verified", of_sender=True),
        QuotaExhausted("day"),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_a_late_answer_neither_parks_nor_divides_what_another_worker_carries_on(
    post: MailHarness, database_url: str, answer: EmailAnswer
) -> None:
    post.queue("ada", identity_id=add_identity(post.db))
    post.queue("bob")
    rows_of(
        post.db, "update email_sends set batch_id = (select min(batch_id::text)::uuid from email_sends) returning id"
    )
    rows_of(post.db, "update email_sends set position = 1 where address = 'bob@example.com' returning id")
    database = Database(database_url)
    post.send(SendContext(database, Overtaken(post, answer), post.policy), seconds=21)
    database.close()
    carried = one(post.db, "select state, generation, attempts from email_batches where payload is not null")
    assert carried == {"state": "sending", "generation": 1, "attempts": 2}
    recover(post)
    assert dict(post.simulator.sends) == {"ada@example.com": 1, "bob@example.com": 1}
    assert set(post.status().values()) == {"sent"}


def test_an_opt_out_while_the_gate_is_passed_is_before_it_or_after_it(post: MailHarness, database_url: str) -> None:
    """Taken back and sent at the same moment: either refused and not sent, or sent and not refused."""
    for number in range(20):
        post.queue(f"p{number}")
    token_of = {
        row["recipient_email"]: row["unsubscribe_token"] for row in rows_of(post.db, "select * from email_sends")
    }
    barrier = threading.Barrier(2)

    def leave() -> None:
        database = Database(database_url)
        barrier.wait()
        for address, token in token_of.items():
            database.transact(
                lambda tx, token=token, address=address: [  # type: ignore[misc]
                    rows_of(tx, "select from unsubscribe_reader(:token, false, now())", token=token),
                    rows_of(
                        tx,
                        "update email_sends set status = 'refused', position = null, payload = null "
                        "where address = :address and status = 'queued'",
                        address=address,
                    ),
                ]
            )
        database.close()

    with ThreadPoolExecutor(1) as workers:
        leaving = workers.submit(leave)
        barrier.wait()
        post.send()
        leaving.result()
    recover(post)
    for address, row in {row["recipient_email"]: row for row in rows_of(post.db, "select * from email_sends")}.items():
        assert post.simulator.sends[address] == (row["resend_id"] is not None), row["status"]
    assert {batch["state"] for batch in post.batches()} == {"done"}


@pytest.mark.parametrize("is_repetition", [False, True])
def test_a_batch_waits_for_no_fault_of_another_one_that_a_worker_has_set_aside(
    post: MailHarness, is_repetition: bool
) -> None:
    """Between the claim that failed and the look whose fault it was, the next batch has taken its place."""
    post.queue("ada")
    if is_repetition:
        post.simulator.fault("cut_before")
        post.send()
        post.wait(minutes=3)
    work = BatchWork(post.client(), post.policy, lambda *_: None, always_wanted, ("test",))
    (begun,) = begin_in_parts(post.db, work, post.now, None, RowRefused("of another batch"))
    assert begun.payload is not None
    assert rows_of(post.db, "select kind from incidents") == []
    with pytest.raises(RowRefused):
        begin_in_parts(post.db, work, post.now, None, RowRefused("of another batch"))
    post.wait(minutes=3)
    post.send()
    assert post.got("ada") == 1


def test_the_batch_of_a_locked_organization_waits_for_no_fault_of_another_one(
    post: MailHarness, database_url: str
) -> None:
    post.queue("ada")
    work = BatchWork(post.client(), post.policy, lambda *_: None, always_wanted, ("test",))
    other = Database(database_url)

    def look(tx: Queryable) -> None:
        tx.run(parse("select id from organizations for update"))
        with pytest.raises(RowRefused):
            begin_in_parts(post.db, work, post.now, None, RowRefused("of another batch"))

    other.transact(look)
    other.close()
    assert rows_of(post.db, "select kind from incidents") == []
    post.send()
    assert post.got("ada") == 1
