"""Who opened or clicked: a person, or a machine that reads everybody's mail."""

from datetime import UTC, datetime, timedelta

import pytest

from crm_relay.engagement.decisions import judge, judge_click, judge_open
from crm_relay.providers.mautic import webhook
from tests.support.customers.mautic_hooks import recorded

SENT = datetime(2026, 11, 20, 12, tzinfo=UTC)
BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("seconds", "is_machine"), [(0, True), (1, True), (3, True), (3.1, False), (4, False), (86_400, False), (-1, False)]
)
def test_an_open_within_three_seconds_of_sending_is_a_prefetch(seconds: float, is_machine: bool) -> None:
    verdict = judge_open(SENT, SENT + timedelta(seconds=seconds), in_browser=False)
    assert verdict.is_machine is is_machine
    assert verdict.reason


def test_an_open_in_the_browser_is_a_person_however_soon() -> None:
    assert judge_open(SENT, SENT, in_browser=True).is_machine is False


def test_an_open_of_unknown_age_gets_the_benefit_of_the_doubt() -> None:
    assert judge_open(None, SENT, in_browser=False).is_machine is False


@pytest.mark.parametrize(
    ("user_agent", "is_machine"),
    [
        (BROWSER, False),
        ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/120.0.0.0 Safari/537.36", True),
        ("Mozilla/5.0 (compatible; BarracudaCentral/1.0)", True),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) BingPreview/1.0b", True),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", True),
        ("python-requests/2.32", True),
        ("", True),
        ("  ", True),
        (None, False),
    ],
)
def test_a_click_is_judged_by_the_user_agent(user_agent: str | None, is_machine: bool) -> None:
    verdict = judge_click(user_agent, None, SENT)
    assert verdict.is_machine is is_machine
    assert verdict.reason


def test_a_click_within_three_seconds_of_sending_is_a_link_check() -> None:
    assert judge_click(BROWSER, SENT, SENT + timedelta(seconds=2)).is_machine is True


@pytest.mark.parametrize("name", ["97_hook_click__page_on_hit", "97_hook_email_on_open_first"])
def test_what_a_person_did_in_the_recordings_is_taken_for_a_persons_doing(name: str) -> None:
    (event,) = webhook.parse(recorded(name).body, now=SENT).events
    assert judge(event).is_machine is False


def test_of_other_events_nothing_is_said() -> None:
    (event,) = webhook.parse(
        recorded("97_hook_unsubscribe_get__lead_channel_subscription_changed").body, now=SENT
    ).events
    assert (judge(event).is_machine, judge(event).reason) == (None, None)
