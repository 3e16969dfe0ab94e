"""What EmailBison says of an account and of a bounce, in our words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_relay.providers.bison.bounces import is_permanent_bounce
from crm_relay.providers.bison.events import SenderAccount
from crm_relay.providers.bison.mapping import provider_of, reseller_of, sender_account, status_of
from crm_relay.providers.bison.vocabulary import HANDLED_EVENTS, HOOK_EVENTS, IGNORED_EVENTS
from crm_relay.providers.bison.wire import SenderEmail
from crm_relay.rules.replies.bounce_texts import UNKNOWN_ADDRESS, BounceText

API_COUNTERS = {
    "emails_sent_count": 100,
    "total_replied_count": 9,
    "unique_replied_count": 8,
    "total_opened_count": 7,
    "unique_opened_count": 6,
    "bounced_count": 5,
    "unsubscribed_count": 4,
    "interested_leads_count": 3,
    "total_leads_contacted_count": 90,
}
WEBHOOK_COUNTERS = {
    "emails_sent": 100,
    "replied": 9,
    "unique_replies": 8,
    "opened": 7,
    "unique_opens": 6,
    "bounced": 5,
    "unsubscribed": 4,
    "interested": 3,
    "total_leads_contacted": 90,
}
BASE = {"id": 7, "email": "rosa@example.com", "status": "Connected", "created_at": "2026-06-01T08:00:00.000000Z"}


def account(**members: Any) -> SenderAccount:
    found = sender_account(SenderEmail.model_validate(BASE | members))
    assert found is not None
    return found


def test_both_spellings_of_an_account_mean_the_same() -> None:
    assert account(**API_COUNTERS) == account(**WEBHOOK_COUNTERS)
    assert account(**API_COUNTERS).unique_replied == 8
    assert account(**API_COUNTERS).leads_contacted == 90


def test_a_counter_that_is_not_told_is_not_zero() -> None:
    assert account().emails_sent is None
    assert account(emails_sent=0).emails_sent == 0


@pytest.mark.parametrize("value", [-1, 1.5, "many", True, [], {}, None, 2**63, "1" * 5000])
def test_a_counter_that_cannot_be_read_takes_nothing_with_it(value: object) -> None:
    found = account(emails_sent_count=value, bounced_count="3")
    assert (found.emails_sent, found.bounced) == (None, 3)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Connected", "Connected"),
        ("connected", "Connected"),
        (" CONNECTED ", "Connected"),
        ("Not connected", "Disconnected"),
        ("Disconnected", "Disconnected"),
        ("Failed", "Disconnected"),
        ("reconnecting", "Disconnected"),
    ],
)
def test_everything_but_connected_is_disconnected(word: str, status: str) -> None:
    assert status_of(word) == status
    assert account(status=word).status == status


def test_an_account_without_a_status_does_not_work_as_far_as_anybody_knows() -> None:
    assert account(status=None).status == "Disconnected"


@pytest.mark.parametrize("members", [{"id": None}, {"id": "seven"}, {"email": None}, {"email": "a" * 321}])
def test_an_account_without_id_or_address_is_none(members: dict[str, Any]) -> None:
    assert sender_account(SenderEmail.model_validate(BASE | members)) is None


@pytest.mark.parametrize(
    ("tags", "kind", "provider"),
    [
        (["Gmail"], None, "Gmail"),
        (["google workspace"], None, "Gmail"),
        (["G-Suite"], None, "Gmail"),
        (["Outlook batch 2"], None, "Outlook"),
        (["Microsoft"], None, "Outlook"),
        (["Office 365"], None, "Outlook"),
        (["SMTP"], None, "Other"),
        (["Warm", "Outlook"], "google_workspace_oauth", "Outlook"),
        ([], "google_workspace_oauth", "Gmail"),
        ([], "Microsoft OAuth", "Outlook"),
        (["Q4 launch"], "SMTP", None),
        ([], "Inbox", None),
        ([], None, None),
    ],
)
def test_the_provider_is_read_from_the_tags_then_from_the_type(
    tags: list[str], kind: str | None, provider: str | None
) -> None:
    assert provider_of(tags, kind) == provider


@pytest.mark.parametrize(
    ("tags", "reseller"),
    [
        (["CheapInboxes"], "CheapInboxes"),
        (["Gmail", "cheap inboxes"], "CheapInboxes"),
        (["Batch 3 - ZAPMAIL"], "Zapmail"),
        (["Premium Inboxes"], "Premium Inboxes"),
        (["Gmail", "Q4 launch", ""], None),
    ],
)
def test_the_reseller_is_read_from_the_tags(tags: list[str], reseller: str | None) -> None:
    assert reseller_of(tags) == reseller


def test_tags_come_as_objects_or_as_names() -> None:
    found = account(tags=[{"id": 1, "name": "Zapmail", "default": False}, "Outlook", {"id": 2}, None, 5])
    assert found.tags == ("Zapmail", "Outlook", "5")
    assert (found.reseller, found.provider) == ("Zapmail", "Outlook")
    assert account(tags={"id": 1}).tags == ()


@pytest.mark.parametrize("code", ["5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.2.1"])
@pytest.mark.parametrize("form", ["550 {} User unknown", "550-{} no such user", "Status: {}\n", "(#{})", "smtp;550 {}"])
def test_an_address_that_does_not_exist_is_a_permanent_bounce(code: str, form: str) -> None:
    assert is_permanent_bounce("Undeliverable", form.format(code))
    assert is_permanent_bounce(form.format(code), None)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "Delivery failed",
        "550 rejected",
        "450 User unknown",
        "said: 451-User unknown, try again later",
        "552 mailbox full, no such user any more",
        "550 message blocked as spam: no such user",
        "550 5.3.4 too big: no such user",
        "452 4.2.2 mailbox full",
        "552 5.2.2 mailbox full",
        "550 5.7.1 blocked by policy",
        "550 5.7.26 unauthenticated",
        "550 5.1.8 bad outbound sender",
        "501 5.1.7 bad sender address",
        "550 5.1.0 address rejected",
        "5.1.90 daily limit reached",
        "554 5.0.0 failed",
        "host 10.5.1.1 said no",
        "host 5.1.1.10 said no",
        "Exchange 15.1.1 here",
        "on 5.1.1999",
        "2.1.5 delivered",
        "450 4.1.1 try again, 550 5.1.1",
        "550 5.1.1 wrapped around 550 5.7.1",
    ],
)
def test_where_nothing_tells_or_something_speaks_against_it_a_bounce_is_not_permanent(text: str | None) -> None:
    assert not is_permanent_bounce(None, text)


@pytest.mark.parametrize(
    "text",
    [
        "User unknown",
        "550 No such user",
        "550 <ada@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
        "smtp; 550 unknown user",
        "550-The email account that you tried to reach does not exist. Please try\n550-double-checking the address",
        "Your message wasn\u2019t delivered to ada@example.com because the address couldn\u2019t be found.",
        "554 delivery error: dd This user doesn't have a yahoo.com account (ada@yahoo.com) [0]",
        "552 1 Requested mail action aborted, mailbox not found",
        "550 Message was not accepted -- invalid mailbox.  Local mailbox ada@mail.ru is unavailable: user not found",
        "550 Requested action not taken: mailbox unavailable",
        "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).",
        "Sorry, no mailbox here by that name. (#5.1.1)",
        "ada@example.com\n    Unrouteable address",
        "<p>The e-mail address you entered couldn&#39;t be found.</p>",
        "550 Invalid recipient <ada@example.com>",
    ],
)
def test_servers_say_without_a_code_that_there_is_no_such_address(text: str) -> None:
    assert is_permanent_bounce("Undeliverable: Hello", text)


def test_every_text_of_a_server_has_its_source() -> None:
    assert [each.pattern for each in UNKNOWN_ADDRESS if not each.source] == []


@pytest.mark.parametrize("text", UNKNOWN_ADDRESS, ids=lambda text: text.always.strip())
@given(data=st.data())
def test_what_a_server_always_writes_is_in_all_that_its_pattern_finds(text: BounceText, data: st.DataObject) -> None:
    assert text.always in data.draw(st.from_regex(text.pattern))


def test_a_report_without_end_is_read_in_no_time() -> None:
    assert not is_permanent_bounce("address " * 20_000, "550-<" * 50_000)
    assert not is_permanent_bounce("5." * 1_000_000, "x" * 200_000 + "5.1.1")


def test_every_name_is_handled_or_ignored_and_none_both() -> None:
    assert not HANDLED_EVENTS.keys() & IGNORED_EVENTS.keys()
    assert set(HOOK_EVENTS) == HANDLED_EVENTS.keys()
    assert all(name == name.lower() for name in {*HANDLED_EVENTS, *IGNORED_EVENTS})
