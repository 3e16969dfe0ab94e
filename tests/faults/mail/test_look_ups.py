"""Unclear answers: the provider is asked what it has, and one answer that cannot be recorded is one batch's alone."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from crm_relay.mail.sending.send_batches import SendContext
from crm_relay.platform.database import Database
from crm_relay.providers.answers import Accepted, EmailAnswer
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.mail.mail_harness import MONDAY, MailHarness
from tests.support.platform.rows import rows_of


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    """Resend's time is ours."""
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


@pytest.fixture
def people(post: MailHarness) -> list[str]:
    """Twenty whose one request gets no answer."""
    names = [f"p{number}" for number in range(20)]
    post.queue(*names)
    return names


@pytest.mark.parametrize("kind", ["opt_out", "complaint", "hard_bounce", "erased"])
def test_an_opt_out_after_a_request_that_never_arrived_costs_nobody_else_their_mail(
    post: MailHarness, people: list[str], kind: str
) -> None:
    post.simulator.fault("cut_before")
    post.send()
    rows_of(
        post.db,
        """select record_consent_events(jsonb_build_array(jsonb_build_object('org_id', default_org_id(),
               'channel', 'email', 'address', 'p3@example.com', 'kind', cast(:kind as text), 'source', 'test',
               'occurred_at', cast(:now as timestamptz))))""",
        kind=kind,
        now=post.now,
    )
    for _ in range(6):
        post.wait(minutes=10)
        post.send()
    assert dict(post.simulator.sends) == {f"{name}@example.com": 1 for name in people if name != "p3"}
    assert post.status() == {name: "refused" if name == "p3" else "sent" for name in people}
    assert post.rows()["p3"]["reason"] == kind
    assert post.incidents() == set()


def test_what_the_provider_has_is_recorded_without_a_second_request(post: MailHarness, people: list[str]) -> None:
    post.simulator.fault("cut_after")
    post.send()
    post.opt_out("p3")
    for _ in range(6):
        post.wait(minutes=10)
        post.send()
    assert dict(post.simulator.sends) == {f"{name}@example.com": 1 for name in people}
    assert set(post.status().values()) == {"sent"}
    assert post.simulator.requests["POST /emails/batch"] == 1
    assert all(row["resend_id"] for row in post.rows().values())


@pytest.mark.parametrize(("fault", "requests"), [("cut_before", 2), ("cut_after", 1)])
def test_after_the_provider_forgot_the_key_it_is_asked_and_nobody_gets_two(
    post: MailHarness, people: list[str], fault: str, requests: int
) -> None:
    post.simulator.fault(fault)
    post.send()
    post.wait(hours=30)
    post.send()
    assert dict(post.simulator.sends) == {f"{name}@example.com": 1 for name in people}
    assert set(post.status().values()) == {"sent"}
    assert post.simulator.requests["POST /emails/batch"] == requests


def test_mails_of_others_with_the_same_recipient_and_subject_are_not_taken_for_ours(post: MailHarness) -> None:
    post.queue("ada", key="first")
    post.send()
    post.simulator.fault("cut_before")
    (second,) = post.queue("ada", key="second")
    post.send()
    post.wait(hours=24)
    post.send()
    assert post.got("ada") == 2
    assert post.settler.fates[second] == "sent"


def test_a_page_of_somebody_in_between_says_nothing_of_an_attempt_that_was_unclear(
    post: MailHarness, people: list[str]
) -> None:
    client = post.client()

    class PageInBetween:
        """The second answer is a 400 that is not Resend's."""

        name, largest_batch, has_idempotency_key = "resend", 100, True
        requests = 0

        def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
            self.requests += 1
            if self.requests == 2:
                post.simulator.fault("400_page")
            return client.send_batch(payload, key)

    post.simulator.fault("cut_after")
    context = SendContext(post.db, PageInBetween(), post.policy)
    for _ in range(4):
        post.send(context)
        post.wait(minutes=10)
    assert dict(post.simulator.sends) == {f"{name}@example.com": 1 for name in people}
    assert set(post.status().values()) == {"sent"}


class ShowsAPart:
    """A list of sent mail that is behind: it lacks the first mail of the batch, or all of them."""

    name, largest_batch, has_idempotency_key = "resend", 100, True

    def __init__(self, post: MailHarness, *, lacks: int) -> None:
        self._client, self._lacks = post.client(), lacks

    def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
        return self._client.send_batch(payload, key)

    def find_sent(self, payload: bytes, since: datetime) -> list[str | None]:
        found = self._client.find_sent(payload, since)
        return [None if place < self._lacks else each for place, each in enumerate(found)]


@pytest.mark.parametrize("fault", ["429", "400_page", "cut_before"])
def test_a_request_that_was_found_in_part_keeps_its_key_whatever_its_repetition_is_answered(
    post: MailHarness, people: list[str], fault: str
) -> None:
    post.simulator.fault("cut_after")
    context = SendContext(post.db, ShowsAPart(post, lacks=1), post.policy)
    post.send(context)
    post.opt_out("p3")
    post.wait(minutes=10)
    post.simulator.fault(fault)
    for _ in range(6):
        post.send(context)
        post.wait(minutes=10)
    assert dict(post.simulator.sends) == {f"{name}@example.com": 1 for name in people}
    assert set(post.status().values()) == {"sent"}


def test_a_list_that_shows_nothing_does_not_outweigh_an_event(post: MailHarness, people: list[str]) -> None:
    post.simulator.fault("cut_after")
    context = SendContext(post.db, ShowsAPart(post, lacks=len(people)), post.policy)
    post.send(context)
    rows_of(
        post.db,
        """update email_sends set resend_id = 'seen', status = 'delivered' where recipient_email like 'p5@%'
           returning id""",
    )
    post.wait(hours=30)
    post.send(context)
    assert dict(post.simulator.sends) == {f"{name}@example.com": 1 for name in people}
    assert post.status() == {name: "delivered" if name == "p5" else "unknown" for name in people}
    assert post.incidents() == {"email_unknown"}


def test_an_answer_that_the_database_refuses_parks_the_one_mail_that_it_refuses(
    post: MailHarness,
) -> None:
    post.make_room()
    post.queue(*(f"p{number}" for number in range(200)))
    client = post.client()

    class Repeats:
        """One id stands twice in the second answer."""

        name, largest_batch, has_idempotency_key = "resend", 100, True
        requests = 0

        def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
            answer = client.send_batch(payload, key)
            self.requests += 1
            if self.requests == 2 and isinstance(answer, Accepted):
                return Accepted((answer.ids[1], *answer.ids[1:]))
            return answer

    report = post.send(SendContext(post.db, Repeats(), post.policy))
    assert (report.sent, report.unknown) == (199, 1)
    assert post.incidents() == {"email_unknown"}
    states = [row["state"] for row in post.batches()]
    assert sorted(states) == ["done", "unknown"]


def test_a_rest_of_years_is_an_hour_with_an_incident(post: MailHarness) -> None:
    post.simulator.fault("429", retry_after=999_999_999)
    post.queue("ada")
    assert post.send().stopped == "later"
    assert post.incidents() == {"sending_rest"}
    (row,) = post.rows().values()
    assert (row["held_for"], row["held_until"]) == ("provider_rest", post.batches()[0]["not_before"])
    post.wait(hours=1)
    assert post.send().sent == 1
    assert post.incidents() == set()


def test_a_clock_that_runs_ahead_does_not_make_a_forgotten_key_young(post: MailHarness) -> None:
    """The key is as old as the older of two ages: by the worker's clock, and by the database's."""
    post.simulator.fault("cut_after")
    (ada,) = post.queue("ada")
    post.send()
    # By the worker's clock minutes have passed, by the database's more than a day.
    rows_of(
        post.db,
        "update email_batches set attempted_at = clock_timestamp() - interval '25 hours' returning id",
    )
    post.wait(minutes=10)
    post.send()
    assert post.settler.fates == {ada: "sent"}
    assert post.simulator.requests["POST /emails/batch"] == 1


def test_the_first_attempt_is_never_dated_ahead_of_the_databases_clock(post: MailHarness) -> None:
    post.simulator.fault("cut_after")
    post.queue("ada")
    post.wait(days=100_000)
    post.send()
    (batch,) = rows_of(post.db, "select first_attempt_at <= clock_timestamp() as is_past from email_batches")
    assert batch["is_past"]
