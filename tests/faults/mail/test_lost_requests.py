"""A request that the provider's list does not show, and an event that shows later that it was carried out."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

import pytest

from crm_relay.mail.sending.send_batches import SendContext
from crm_relay.mail.unknown.settle_unknown import MessageOwners, settle_unknown
from crm_relay.platform.database import Database
from crm_relay.providers.answers import EmailAnswer
from crm_relay.rules.send_windows import SendWindow
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.mail.mail_events import apply, email_event
from tests.support.mail.mail_harness import MONDAY, OFFICE_HOURS, MailHarness
from tests.support.platform.rows import rows_of

NEVER = SendWindow.of(("sun",), "00:00", "00:01", "UTC")
NAMES = [f"p{number}" for number in range(6)]


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


class ShowsNothing:
    """A list of sent mail that is behind; `meanwhile` happens while it is read."""

    name, largest_batch, has_idempotency_key = "resend", 100, True

    def __init__(self, post: MailHarness, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._client, self.meanwhile, self.is_behind = post.client(), meanwhile, True

    def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
        return self._client.send_batch(payload, key)

    def find_sent(self, payload: bytes, since: datetime) -> list[str | None]:
        self.meanwhile()
        found = self._client.find_sent(payload, since)
        return [None] * len(found) if self.is_behind else found


def event_of(post: MailHarness, name: str, kind: str = "delivered") -> None:
    """Of the first mail that the provider took for them."""
    first = post.simulator.mails_to(f"{name}@example.com")[0]
    event = email_event(kind, (post.now - MONDAY).total_seconds(), key=f"{name}:{kind}:{post.now}")
    apply(post.db, [event], UUID(first.tags["send"]), first.id)


def settled_by_hand(post: MailHarness) -> None:
    owners = MessageOwners(emails=lambda *_: None, texts=lambda *_: None)
    for batch in {row["batch_id"] for row in post.rows().values() if row["status"] == "unknown"}:
        settle_unknown(post.db, batch, post.now, owners, was_sent=True)


def test_an_event_during_the_look_holds_back_everybody_else_of_the_request(post: MailHarness) -> None:
    ids = dict(zip(NAMES, post.queue(*NAMES), strict=True))
    post.simulator.fault("cut_after")
    context = SendContext(post.db, ShowsNothing(post, lambda: event_of(post, "p1")), post.policy)
    post.send(context)
    post.opt_out("p5")
    for _ in range(3):
        post.wait(minutes=20)
        post.send(context)
    assert set(post.simulator.sends.values()) == {1}
    assert post.status() == {name: "delivered" if name == "p1" else "unknown" for name in NAMES}
    assert post.settler.fates == {ids[name]: "sent" if name == "p1" else "unknown" for name in NAMES}
    assert post.incidents() == {"email_unknown"}
    settled_by_hand(post)
    assert (set(post.status().values()), post.incidents()) == ({"sent", "delivered"}, set())


def test_a_list_that_is_behind_is_asked_twice_before_anybody_gets_it_again(post: MailHarness) -> None:
    """The second look is a quarter of an hour after the first one, and shows what the first did not."""
    post.queue(*NAMES)
    post.simulator.fault("cut_after")
    behind = ShowsNothing(post)
    context = SendContext(post.db, behind, post.policy)
    post.send(context)
    post.opt_out("p5")
    for minute in range(40):
        post.wait(minutes=1)
        behind.is_behind = minute < 12
        post.send(context)
    assert {name: post.got(name) for name in NAMES} == dict.fromkeys(NAMES, 1)
    assert set(post.status().values()) == {"sent"}


def test_an_event_after_the_look_holds_back_everybody_who_has_not_left_again(post: MailHarness) -> None:
    """Some wait for their window when the event comes; the others have left again before it."""
    post.queue(*NAMES[:3])
    post.queue(*NAMES[3:], window=OFFICE_HOURS)
    rows_of(
        post.db, "update email_sends set batch_id = (select min(batch_id::text)::uuid from email_sends) returning id"
    )
    rows_of(post.db, "update email_sends set position = position + 3 where send_window is not null returning id")
    post.simulator.fault("cut_after")
    context = SendContext(post.db, ShowsNothing(post), post.policy)
    post.send(context)
    post.wait(hours=5)
    post.opt_out("p0")
    post.send(context)
    assert {name: post.got(name) for name in NAMES} == {"p0": 1, "p1": 2, "p2": 2, "p3": 1, "p4": 1, "p5": 1}
    event_of(post, "p1")
    post.wait(hours=15)
    post.send(context)
    assert {name: post.got(name) for name in NAMES[3:]} == {"p3": 1, "p4": 1, "p5": 1}
    assert [post.status()[name] for name in NAMES[3:]] == ["unknown"] * 3
    assert post.incidents() == {"email_unknown"}


def test_an_event_of_the_new_request_holds_nobody_back(post: MailHarness) -> None:
    post.queue("p0", "p1")
    post.queue("p2", window=OFFICE_HOURS)
    rows_of(
        post.db, "update email_sends set batch_id = (select min(batch_id::text)::uuid from email_sends) returning id"
    )
    rows_of(post.db, "update email_sends set position = 2 where send_window is not null returning id")
    post.simulator.fault("cut_before")
    context = SendContext(post.db, ShowsNothing(post), post.policy)
    post.send(context)
    post.wait(hours=5)
    post.opt_out("p0")
    post.send(context)
    event_of(post, "p1")
    post.wait(hours=15)
    post.send(context)
    assert dict(post.simulator.sends) == {"p1@example.com": 1, "p2@example.com": 1}
    assert post.status() == {"p0": "refused", "p1": "delivered", "p2": "sent"}
    assert post.incidents() == set()


@pytest.mark.parametrize("fault", ["cut_before", "500_before"])
def test_an_event_of_the_old_request_says_nothing_of_a_new_one_that_is_unclear_again(
    post: MailHarness, fault: str
) -> None:
    post.queue(*NAMES)
    post.simulator.fault("cut_after")
    context = SendContext(post.db, ShowsNothing(post), post.policy)
    post.send(context)
    post.opt_out("p5")
    post.wait(minutes=20)
    post.simulator.fault(fault)
    post.send(context)
    event_of(post, "p1")
    for _ in range(8):
        post.wait(hours=4)
        post.send(context)
    assert set(post.simulator.sends.values()) == {1}
    assert {name: status for name, status in post.status().items() if status not in {"unknown", "refused"}} == {
        "p1": "delivered"
    }


class AnswersLate(ShowsNothing):
    """While it waits for its answer another worker finds nothing of the batch, and gives the request up."""

    def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
        answer = super().send_batch(payload, key)
        self.meanwhile()
        return answer


@pytest.mark.parametrize("waits", [True, False])
def test_an_answer_that_comes_after_its_request_was_given_up_still_says_who_was_sent(
    post: MailHarness, waits: bool
) -> None:
    """Some have left again by then, or nobody has: whoever waits was sent by the first request."""
    ids = post.queue(*NAMES)
    later = NAMES if waits else NAMES[3:]

    def given_up() -> None:
        window = "update email_sends set send_window = cast(:window as jsonb) where address = any (:later) returning id"
        addresses = [f"{name}@example.com" for name in later]
        rows_of(post.db, window, window=json.dumps(NEVER.to_json()), later=addresses)
        post.wait(minutes=20)
        post.send(SendContext(post.db, ShowsNothing(post), post.policy))
        assert {post.status()[name] for name in later} == {"queued"}

    post.send(SendContext(post.db, AnswersLate(post, given_up), post.policy), seconds=21)
    rows_of(post.db, "update email_sends set send_window = null returning id")
    post.wait(days=8)
    post.send()
    assert {name: post.got(name) for name in later} == dict.fromkeys(later, 1)
    assert post.status() == dict.fromkeys(NAMES, "sent")
    assert post.settler.fates == dict.fromkeys(ids, "sent")


class LostHistory:
    """Faults, lists that are behind, opt-outs, windows and events in any order; the first request was taken."""

    def __init__(self, post: MailHarness, seed: int) -> None:
        self.post, self.chance = post, random.Random(seed)
        self.context = SendContext(post.db, ShowsNothing(post, self.perhaps_an_event), post.policy)
        self.shown: dict[str, int] = {}
        post.queue(*NAMES)
        post.simulator.fault("cut_after")

    def live(self, rounds: int) -> None:
        for _ in range(rounds):
            self.post.send(self.context)
            self.post.simulator.faults.clear()
            happens: Callable[[], None] = self.chance.choice([self.event, self.leave, self.hold, lambda: None])
            happens()
            if self.chance.random() < 0.3:
                self.post.simulator.fault(self.chance.choice(["cut_before", "429", "500_before"]))
            self.post.wait(minutes=self.chance.choice([1, 6, 20, 300]))

    def perhaps_an_event(self) -> None:
        if self.chance.random() < 0.5:
            self.event()

    def event(self) -> None:
        """Of the first request; by the first of them everybody's count is final."""
        if not self.shown:
            self.shown = {name: self.post.got(name) for name in NAMES}
        event_of(self.post, self.chance.choice(NAMES), self.chance.choice(["sent", "delivered", "opened"]))

    def leave(self) -> None:
        self.post.opt_out(self.chance.choice(NAMES))

    def hold(self) -> None:
        window = None if self.chance.random() < 0.5 else json.dumps(NEVER.to_json())
        address = f"{self.chance.choice(NAMES)}@example.com"
        sql = "update email_sends set send_window = cast(:window as jsonb) where address = :address returning id"
        rows_of(self.post.db, sql, window=window, address=address)


@pytest.mark.parametrize("seed", range(24))
def test_in_no_history_does_anybody_leave_again_after_an_event_has_shown_the_first_request(
    post: MailHarness, seed: int
) -> None:
    history = LostHistory(post, seed)
    history.live(12)
    if history.shown:
        assert {name: post.got(name) for name in NAMES} == history.shown
    waiting = {name for name, status in post.status().items() if status in {"queued", "sending"}}
    held = {name for name, row in post.rows().items() if row["held_for"] is not None}
    assert waiting <= held
