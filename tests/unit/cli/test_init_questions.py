"""What init asks: follow-ups only of what was named, answers of a file checked as a whole, secrets kept by Enter."""

from collections.abc import Mapping

import pytest

from cli.init.credentials import check_credentials
from cli.init.questions import QUESTIONS, Question, collect, from_file
from crm_relay.platform.errors import RejectedInput


def test_answers_of_a_file_are_taken_and_follow_ups_of_nothing_are_not_asked() -> None:
    answers = collect({}, from_file({"ORGANIZATION": "Engines", "MAUTIC_CLIENT_ID": "x", "SEND_MODE": "live"}))
    assert answers == {"ORGANIZATION": "Engines"}


def test_a_key_of_resend_sends_nothing_until_a_mode_is_chosen() -> None:
    assert collect({}, from_file({"RESEND_API_KEY": "re_1"})) == {"RESEND_API_KEY": "re_1", "SEND_MODE": "dry-run"}


def test_what_is_known_stays() -> None:
    asked: list[str] = []

    def keep(question: Question, known: str) -> str:
        asked.append(question.name)
        return known

    assert collect({"MAUTIC_URL": "https://m.example", "MAUTIC_CLIENT_ID": "1"}, keep) == {
        "MAUTIC_URL": "https://m.example",
        "MAUTIC_CLIENT_ID": "1",
    }
    assert "MAUTIC_CLIENT_SECRET" in asked
    assert "RESEND_WEBHOOK_SECRET" not in asked


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ({"FOO": "1", "SEND_MODE": "all"}, ("FOO: nothing asks for it", "SEND_MODE: dry-run, allow-list or live")),
        ({"SENDER_ADDRESS": "Ada <ada@example.com>"}, ("SENDER_ADDRESS: an address such as ada@example.com",)),
        ({"MAUTIC_URL": "mautic"}, ("MAUTIC_URL: an address that begins with https://",)),
    ],
)
def test_wrong_answers_are_named_all_at_once(given: Mapping[str, str], problems: tuple[str, ...]) -> None:
    with pytest.raises(RejectedInput) as raised:
        from_file(given)
    assert raised.value.details == problems


def test_a_follow_up_comes_behind_its_service() -> None:
    names = [question.name for question in QUESTIONS]
    assert all(names.index(each.of) < names.index(each.name) for each in QUESTIONS if each.of)


def test_only_services_that_were_named_are_tried_and_what_is_wrong_stops_only_its_own() -> None:
    assert check_credentials({"ORGANIZATION": "Engines"}) == []
    checks = check_credentials(
        {"BISON_INSTANCE_URL": "http://127.0.0.1:9", "BISON_API_TOKENS": "[1]", "TWILIO_ACCOUNT_SID": "AC1"}
    )
    assert [(each.what, each.verdict) for each in checks] == [("EmailBison", "wrong"), ("Twilio", "wrong")]
