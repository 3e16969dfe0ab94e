"""The doctor looks whether Mautic's webhook brings anything; that Mautic answers proves nothing of it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from cli.doctor.mautic import examine_hooks, examine_mautic
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.mautic.client import Mautic
from crm_relay.providers.mautic.configuration import PresentHook
from crm_relay.providers.mautic.vocabulary import HOOK_EVENTS
from local.simulators.mautic import MauticSimulator

SECRET = "secret-of-the-webhook"
GOOD = PresentHook(
    7,
    "CRM Relay",
    "https://crm.example.com/webhooks/mautic",
    frozenset(HOOK_EVENTS),
    published=True,
    owned=True,
    edited=True,
    secret=SECRET,
)


def verdicts(*hooks: PresentHook) -> list[tuple[str, str]]:
    """What the doctor says of these webhooks."""
    return [(each.verdict, each.found) for each in examine_hooks(hooks, [SECRET])]


def test_a_webhook_that_is_on_is_good() -> None:
    assert verdicts(GOOD) == [("good", "7 is on")]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda: replace(GOOD, published=False), "7 is off"),
        (lambda: replace(GOOD, secret="another-secret-of-16"), "another secret"),
        (lambda: replace(GOOD, triggers=frozenset(HOOK_EVENTS[1:])), HOOK_EVENTS[0]),
        (lambda: replace(GOOD, url="https://elsewhere.example.com/"), "there is none"),
    ],
)
def test_what_is_wrong_with_it_is_said(broken: Callable[[], PresentHook], says: str) -> None:
    hook = broken() if says != "there is none" else replace(broken(), secret=None)
    ((verdict, found),) = verdicts(hook)
    assert verdict == "wrong"
    assert says in found
    assert "crm-relay mautic setup" in found or "next watch" in found
    assert SECRET not in found


def test_the_webhook_of_another_installation_is_no_concern() -> None:
    other = replace(GOOD, hook_id=8, url="https://other.example.com/webhooks/mautic", secret="other", published=False)
    assert verdicts(other, GOOD) == [("good", "7 is on")]


def test_a_mautic_that_is_down_or_refuses_is_said_with_what_to_do() -> None:
    with MauticSimulator() as simulator:
        mautic = Mautic(HttpClient(simulator.url, timeout=(5, 20)), "crm-relay", "simulator-secret")
        assert [each.verdict for each in examine_mautic(mautic, [SECRET])] == ["good", "wrong"]
        simulator.switch(database_down=True)
        (check,) = examine_mautic(mautic, [SECRET])
    assert check.verdict == "wrong"
    assert "MAUTIC_URL" in check.found
