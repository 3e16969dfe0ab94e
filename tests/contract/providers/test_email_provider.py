"""What every e-mail provider has to keep: one suite on the Resend client with its simulator and on one without keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest

from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.answers import Accepted, Later, RefusedWhole, Unclear
from crm_relay.providers.email import EmailProvider
from crm_relay.providers.resend.client import Resend
from tests.support.mail.keyless_provider import KeylessProvider
from tests.support.mail.resend_stage import ResendStage, batch, mail, stage


class Trial(Protocol):
    """A provider, what it has sent, and how something goes wrong on the way to it."""

    @property
    def provider(self) -> EmailProvider: ...
    @property
    def sends(self) -> Counter[str]: ...
    def lose_answer(self) -> None:
        """The next request is carried out, and its answer never comes."""

    def disconnected(self) -> EmailProvider:
        """The same provider, where no connection can be made."""


@dataclass
class ResendTrial:
    made: ResendStage

    def __post_init__(self) -> None:
        self.provider: EmailProvider = self.made.client()

    @property
    def sends(self) -> Counter[str]:
        return self.made.sim.sends

    def lose_answer(self) -> None:
        self.made.sim.fault("cut_after")

    def disconnected(self) -> EmailProvider:
        return Resend(HttpClient("http://127.0.0.1:9", timeout=(1, 1), repeats=0), self.made.sim.sending_key)


class KeylessTrial:
    def __init__(self) -> None:
        self.fake = KeylessProvider()
        self.provider: EmailProvider = self.fake

    @property
    def sends(self) -> Counter[str]:
        return self.fake.sends

    def lose_answer(self) -> None:
        self.fake.troubles.append("lost_after")

    def disconnected(self) -> EmailProvider:
        return KeylessProvider(troubles=["away"])


@pytest.fixture(params=["resend", "keyless"])
def trial(request: pytest.FixtureRequest) -> Iterator[Trial]:
    if request.param == "keyless":
        yield KeylessTrial()
        return
    with stage() as made:
        yield ResendTrial(made)


def test_the_facts_are_there_and_never_change(trial: Trial) -> None:
    provider = trial.provider
    before = (provider.name, provider.largest_batch, provider.has_idempotency_key)
    provider.send_batch(batch(1), "batch-1")
    assert (provider.name, provider.largest_batch, provider.has_idempotency_key) == before
    assert provider.name.isidentifier()
    assert provider.largest_batch >= 1


def test_the_largest_batch_is_taken_with_an_id_of_its_own_for_each_mail(trial: Trial) -> None:
    size = trial.provider.largest_batch
    answer = trial.provider.send_batch(batch(size), "batch-1")
    assert isinstance(answer, Accepted)
    assert not answer.problems
    assert len({each for each in answer.ids if each}) == size
    assert trial.sends == {f"r{number}@customer.example": 1 for number in range(size)}


def test_of_more_mails_than_that_nothing_is_sent_and_parts_may_pass(trial: Trial) -> None:
    answer = trial.provider.send_batch(batch(trial.provider.largest_batch + 1), "batch-1")
    assert isinstance(answer, RefusedWhole)
    assert answer.retry_payload
    assert not trial.sends


@pytest.mark.parametrize("payload", [b"", b"{", b"{}", b"[]", b"null"])
def test_what_is_no_array_of_mails_is_refused_for_good(trial: Trial, payload: bytes) -> None:
    answer = trial.provider.send_batch(payload, "batch-1")
    assert isinstance(answer, RefusedWhole)
    assert not answer.retry_payload


def test_a_mail_that_is_not_allowed_is_not_sent_and_its_reason_holds_no_address(trial: Trial) -> None:
    answer = trial.provider.send_batch(batch([mail(1, to=["nobody at example"])]), "batch-1")
    reason = answer.problems[0] if isinstance(answer, Accepted) else getattr(answer, "reason", None)
    assert isinstance(reason, str)
    assert "nobody at example" not in reason
    if isinstance(answer, Accepted):
        assert answer.ids == (None,)
    assert not trial.sends


def test_the_same_key_and_bytes_send_once_where_there_are_keys_and_else_every_time(trial: Trial) -> None:
    first, second = (trial.provider.send_batch(batch(1), "batch-1") for _ in range(2))
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert (first.ids == second.ids) is trial.provider.has_idempotency_key
    assert trial.sends["r0@customer.example"] == (1 if trial.provider.has_idempotency_key else 2)


def test_a_lost_answer_is_unclear(trial: Trial) -> None:
    trial.lose_answer()
    assert isinstance(trial.provider.send_batch(batch(1), "batch-1"), Unclear)
    assert trial.sends["r0@customer.example"] == 1


def test_without_a_connection_nothing_was_sent(trial: Trial) -> None:
    assert isinstance(trial.disconnected().send_batch(batch(1), "batch-1"), Later)
