"""Programs are told from people's browsers by a kept list and whole words, and the verdict says why."""

from datetime import UTC, datetime

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from crm_relay.engagement.decisions import judge_click
from crm_relay.rules.user_agents import GATEWAYS, WORDS, scanner_of

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36"
PEOPLE = [
    f"Mozilla/5.0 (Linux; Android 10; CUBOT X30) {WEBKIT}",
    f"Mozilla/5.0 (Linux; Android 9; CUBOT_P40 Build/PPR1.180610.011) {WEBKIT}",
    f"Mozilla/5.0 (Linux; Android 12; CUBOT NOTE 9) {WEBKIT}",
    f"Mozilla/5.0 (Linux; Android 11; Botany One) {WEBKIT}",
    f"Mozilla/5.0 (Linux; Android 13; Spiderman Edition) {WEBKIT}",
    f"Mozilla/5.0 (Linux; Android 13; SM-S918B) {WEBKIT}",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT.replace('Mobile ', '')} Edg/126.0.2592.56",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Opera/9.80 (Android; Opera Mini/78.0/191.318; U; en) Presto/2.12.423 Version/12.16",
]


@pytest.mark.parametrize("agent", PEOPLE)
def test_a_phone_is_no_machine_because_of_its_name(agent: str) -> None:
    assert scanner_of(agent) is None


def test_nobody_knows_an_empty_agent() -> None:
    assert scanner_of(None) is None
    assert scanner_of("") is None


@pytest.mark.parametrize("word", WORDS)
def test_a_word_counts_only_as_a_whole_word(word: str) -> None:
    assert scanner_of(f"Mozilla/5.0 (compatible; {word.title()}/1.0)") == WORDS[word]
    assert scanner_of(f"Example-{word}_1") == WORDS[word]
    assert scanner_of(f"Mozilla/5.0 (Linux; Android 13; X{word}er 5) {WEBKIT}") is None


@pytest.mark.parametrize("name", GATEWAYS)
def test_a_gateway_is_known_by_how_its_name_begins(name: str) -> None:
    assert scanner_of(f"Mozilla/5.0 (compatible; {name.title()}Central/1.0)") == "a mail gateway's link check"
    assert scanner_of(f"Mozilla/5.0 (Linux; Android 13; X{name} 5) {WEBKIT}") is None


def test_a_crawler_that_is_new_is_known_by_its_version() -> None:
    assert scanner_of("Mozilla/5.0 (compatible; BrandNewBot/1.0; +https://example.com)") == "a crawler"
    assert scanner_of("UnknownPreview/2") == "a crawler"


def test_every_program_that_the_list_was_seen_with_is_a_machine_with_a_reason() -> None:
    seen = [agent for entry in CRAWLER_USER_AGENTS_DATA for agent in entry["instances"]]
    assert len(seen) > 2000
    assert [agent for agent in seen if not scanner_of(agent)] == []


def test_the_verdict_names_the_program() -> None:
    assert scanner_of("curl/8.7.1") == "a known program: curl"
    assert judge_click("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", None, NOON).reason == (
        "a known program: Slackbot"
    )
