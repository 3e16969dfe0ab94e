"""Mail of watched labels comes into the store of replies once, however often it is asked for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm_relay.connections import store
from crm_relay.connections.change_settings import change_settings
from crm_relay.connections.mailboxes.judge_mail import judge_mail, row_of
from crm_relay.connections.oauth.connect import reconnected
from crm_relay.connections.people.erase import erase_connected
from crm_relay.connections.people.why import connections_of
from crm_relay.connections.pitches.show_pitches import show_pitch
from crm_relay.connections.tokens.grants import put_grant
from crm_relay.consent.erase import block_return
from crm_relay.consent.person import Person
from crm_relay.platform.errors import RejectedInput, describe_error
from crm_relay.platform.sql import Json
from crm_relay.providers.connectors.mailbox import MailboxMessage
from local.simulators.gmail import GmailSimulator
from local.simulators.gmail.wire import GmailRequest, GmailResponse
from tests.support.connections.gmail_stage import MARY, GmailStage
from tests.support.platform.rows import rows_of


def watch(gmail: GmailStage, *labels: str) -> None:
    settings = Json({"labels": list(labels)})
    rows_of(gmail.db, "update integration_connections set settings = :settings", settings=settings)


def test_a_reply_is_kept_once_with_what_it_answers(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    gmail.sync()
    came = gmail_sim.deliver("Ada <ada@example.com>", subject="Re: An idea", answers="<first@relay.example>")
    for _ in range(2):
        gmail.pass_time()
        gmail.sync()
    (item,) = gmail.items()
    assert (item["from_address"], item["subject"], item["in_reply_to"]) == (
        "ada@example.com",
        "Re: An idea",
        "<first@relay.example>",
    )
    assert (item["org_id"], item["workspace_id"], item["is_auto_reply"]) == (gmail.org, gmail.workspace, False)
    assert (item["reference_ids"], item["thread_id"]) == (["<first@relay.example>"], "<first@relay.example>")
    assert item["external_id"] == f"{gmail.connection}:{came.id}"
    assert abs(item["received_at"].timestamp() * 1000 - came.internal) < 1
    assert item["to_addresses"] == [MARY]


def test_an_idle_account_costs_one_request(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    gmail.sync()
    gmail.pass_time()
    before = gmail_sim.calls
    result = gmail.sync()
    assert (result.success, gmail_sim.calls - before, result.metadata["requests"]) == (True, 1, 1)


def test_only_mail_since_the_account_was_connected_is_read(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    gmail_sim.deliver("old@example.com", at=gmail.now() - timedelta(days=3))
    gmail_sim.deliver("new@example.com", at=gmail.now() + timedelta(seconds=5))
    gmail.sync()
    assert gmail.senders() == ["new@example.com"]


def test_only_watched_labels_count_whenever_the_label_is_given(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    label = gmail_sim.new_label("Leads")
    watch(gmail, label, "INBOX")
    gmail.sync()
    gmail_sim.deliver("spam@example.com", labels=("SPAM",))
    later = gmail_sim.deliver("later@example.com", labels=("UNREAD",))
    gmail_sim.deliver("inbox@example.com")
    gmail.pass_time()
    gmail.sync()
    assert gmail.senders() == ["inbox@example.com"]
    gmail_sim.label(later, label)
    gmail.pass_time()
    gmail.sync()
    assert gmail.senders() == ["inbox@example.com", "later@example.com"]


def test_history_that_is_forgotten_is_made_up_for_by_a_listing(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    gmail.sync()
    gmail_sim.deliver("known@example.com")
    gmail.pass_time()
    gmail.sync()
    missed = [f"m{number}@example.com" for number in range(7)]
    for sender in missed:
        gmail_sim.deliver(sender)
    gmail_sim.forget_history()
    gmail_sim.switch(page_size=3)
    gmail.pass_time()
    result = gmail.sync()
    assert result.success, result
    assert gmail.senders() == sorted(["known@example.com", *missed])
    assert result.metadata["streams"]["mail"]["in"] == {"known": 1, "created": 7, "left_out": 0}


def test_mail_that_comes_during_the_listing_is_read_behind_the_pin(
    gmail: GmailStage, gmail_sim: GmailSimulator
) -> None:
    gmail.sync()
    gmail_sim.deliver("first@example.com")
    gmail_sim.forget_history()
    original = gmail_sim.gate.pass_through

    def deliver_meanwhile(request: GmailRequest) -> GmailResponse:
        answer = original(request)
        if request.path.endswith("/messages"):
            gmail_sim.deliver("meanwhile@example.com")
        return answer

    gmail_sim.gate.pass_through = deliver_meanwhile  # type: ignore[method-assign]
    gmail.pass_time()
    gmail.sync()
    assert gmail.senders() == ["first@example.com", "meanwhile@example.com"]


@pytest.mark.parametrize("kind", ["duplicate_page", "shift", "truncated", "500", "429", "403_rate", "hang"])
def test_pages_that_repeat_or_break_lose_nothing(gmail: GmailStage, gmail_sim: GmailSimulator, kind: str) -> None:
    gmail.sync()
    gmail_sim.switch(page_size=3)
    senders = [f"m{number}@example.com" for number in range(8)]
    for sender in senders:
        gmail_sim.deliver(sender)
    gmail.pass_time()
    gmail_sim.fault(kind, match="/history", skip=1, seconds=0.01)
    gmail.sync()
    gmail.pass_time()
    gmail.sync()
    assert gmail.senders() == senders


def test_one_message_that_cannot_be_read_stops_no_other_and_is_asked_for_again(
    gmail: GmailStage, gmail_sim: GmailSimulator
) -> None:
    gmail.sync()
    bad, _ = gmail_sim.deliver("bad@example.com"), gmail_sim.deliver("good@example.com")
    gmail_sim.fault("500", match=f"/messages/{bad.id}", times=2)
    gmail.pass_time()
    assert gmail.sync().success
    assert gmail.senders() == ["good@example.com"]
    (reject,) = gmail.rejects()
    assert (reject["record_id"], reject["direction"]) == (bad.id, "from_external")
    gmail.pass_time(3700)
    gmail.sync()
    # The pause grows.
    gmail.pass_time(7300)
    gmail.sync()
    assert (gmail.senders(), gmail.rejects()) == (["bad@example.com", "good@example.com"], [])


def test_several_that_cannot_be_read_are_the_services_outage(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    gmail.sync()
    for number in range(5):
        gmail_sim.deliver(f"m{number}@example.com")
    gmail_sim.fault("503", match="/messages/", times=3)
    gmail.pass_time()
    result = gmail.sync()
    assert (result.success, result.metadata["outcome"]) == (False, "outage")
    gmail.pass_time()
    gmail.sync()
    gmail.pass_time(3700)
    gmail.sync()
    assert len(gmail.senders()) == 5


def test_a_message_that_is_gone_by_now_is_nobodys(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    gmail.sync()
    gmail_sim.delete_message(gmail_sim.deliver("gone@example.com"))
    gmail.pass_time()
    assert gmail.sync().success
    assert gmail.items() == []


def test_automatic_answers_bounces_and_our_own_mail_are_no_replies(
    gmail: GmailStage, gmail_sim: GmailSimulator
) -> None:
    gmail.sync()
    gmail_sim.deliver("away@example.com", headers={"Auto-Submitted": "auto-replied"})
    gmail_sim.deliver("mailer-daemon@googlemail.com", subject="Delivery Status Notification (Failure)")
    gmail_sim.deliver(f"Mary <{MARY.upper()}>", labels=("SENT", "INBOX"))
    gmail_sim.deliver("ada@example.com")
    gmail.pass_time()
    gmail.sync()
    found = {row["from_address"]: row["is_auto_reply"] for row in gmail.items()}
    assert found == {"away@example.com": True, "mailer-daemon@googlemail.com": True, "ada@example.com": False}


def test_a_header_that_no_database_holds_stops_nothing() -> None:
    headers = {"from": "a\0da@example.com", "subject": "Hi\ud800", "message-id": "<a\0@x>", "to": "\0b@x.example"}
    message = MailboxMessage("m1", "t1", frozenset({"INBOX"}), None, headers, "")
    judged = judge_mail(message, frozenset())
    assert judged is not None
    row = row_of(judged, "c:m1")
    assert (row["from_address"], row["subject"], row["message_id"]) == ("ada@example.com", "Hi", "<a@x>")
    assert row["to_addresses"] == ["b@x.example"]


def test_the_same_mail_in_two_mailboxes_of_a_workspace_is_one(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    second = gmail.link("sales@example.org", label="sales")
    gmail.sync()
    gmail.sync(second)
    for to in (MARY, "sales@example.org"):
        gmail_sim.deliver("ada@example.com", to=to, message_id="<same@example.com>")
        gmail_sim.deliver(MARY, to=to, message_id="<among-us@example.com>")
    # A sender who uses one id for everything is not the same mail twice.
    gmail_sim.deliver("ada@example.com", message_id="<same@example.com>", subject="Another")
    gmail.pass_time()
    gmail.sync()
    gmail.sync(second)
    assert gmail.senders() == ["ada@example.com", "ada@example.com"]


def test_only_mail_of_known_people_is_kept_where_that_is_wanted(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    rows_of(gmail.db, """update integration_connections set settings = '{"new_mail": "known"}'""")
    gmail.contact("known@example.com")
    gmail.pitch("pitched@example.com")
    gmail.sync()
    (sent,) = gmail_sim.sent()
    gmail_sim.deliver("known@example.com")
    gmail_sim.deliver("assistant@example.com", answers=sent.message_id)
    gmail_sim.deliver("newsletter@example.net")
    gmail.pass_time()
    gmail.sync()
    assert gmail.senders() == ["assistant@example.com", "known@example.com"]


def test_another_account_behind_the_same_connection_begins_anew(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    """Somebody reconnects and picks another of their accounts: its history has other ids."""
    gmail.sync()
    assert gmail.connection is not None
    pitch = gmail.pitch("grace@example.com")
    gmail_sim.fault("429", match="drafts/send")
    gmail.sync()
    gmail_sim.account("other@example.org").newest = 50
    gmail_sim.deliver("ada@example.com", to="other@example.org", at=gmail.now() + timedelta(seconds=2))
    issued = gmail_sim.consent("client", "other@example.org")
    grant = {name: issued[name] for name in ("access_token", "refresh_token")}
    put_grant(gmail.db, gmail.context.vault, gmail.connection, grant, None)
    store.resume(gmail.db, gmail.connection, gmail.now())
    gmail.pass_time()
    assert gmail.sync().success
    row = gmail.row(gmail.connection)
    assert (row["account_label"], row["mailbox_address"]) == ("other@example.org", "other@example.org")
    assert gmail.senders() == ["ada@example.com"]
    assert (gmail.status(pitch), gmail.sent(), gmail.sent("other@example.org")) == ("sent", [], ["grace@example.com"])


def test_a_label_that_is_gone_stops_reading_alone(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    label = gmail_sim.new_label("Leads")
    watch(gmail, label)
    gmail.sync()
    gmail_sim.remove_label(label)
    pitch = gmail.pitch()
    gmail.pass_time()
    gmail.sync()
    assert (gmail.status(pitch), gmail.incidents()) == ("sent", ["connection_stream"])
    gmail_sim.account().labels[label] = "Leads"
    gmail.pass_time()
    gmail.sync()
    assert gmail.incidents() == []


def test_a_reply_and_a_bounce_are_noted_with_the_pitch_and_a_dead_address_in_the_ledger(
    gmail: GmailStage, gmail_sim: GmailSimulator
) -> None:
    answered, bounced = gmail.pitch("ada@example.com"), gmail.pitch("dead@example.com")
    gmail.sync()
    ids = {each.header("To"): each.message_id for each in gmail_sim.sent()}
    gmail_sim.deliver("Ada <ada@example.com>", answers=ids["ada@example.com"])
    gmail_sim.deliver(
        "mailer-daemon@googlemail.com",
        subject="Delivery Status Notification (Failure)",
        text="550 5.1.1 The email account that you tried to reach does not exist",
        answers=ids["dead@example.com"],
    )
    gmail.pass_time()
    gmail.sync()
    assert gmail.pitch_row(answered)["replied_at"] is not None
    known = connections_of(gmail.db, Person(frozenset({"ada@example.com"}), frozenset())).mail
    assert [(row["kind"], row["status"], row["connection_id"]) for row in known] == [
        ("reply", "received", gmail.connection),
        ("pitch", "sent", gmail.connection),
    ]
    assert gmail.pitch_row(answered)["bounced_at"] is None
    assert gmail.pitch_row(bounced)["bounced_at"] is not None
    again = gmail.pitch("dead@example.com")
    gmail.pass_time()
    gmail.sync()
    assert (gmail.status(again), gmail.pitch_row(again)["reason"]) == ("refused", "hard_bounce")


def test_an_erased_persons_draft_and_mail_are_gone(gmail: GmailStage, gmail_sim: GmailSimulator) -> None:
    pitch = gmail.pitch(subject="For Ada alone")
    gmail_sim.fault("429", match="drafts/send")
    gmail.sync()
    assert gmail.drafts() == 1
    gmail_sim.deliver("bob@example.com", headers={"Cc": "Ada <ada@example.com>"})
    gmail.pass_time()
    gmail_sim.fault("429", match="drafts/send")
    gmail.sync()
    assert gmail.items()[0]["to_addresses"] == ["ada@example.com", MARY]
    ada = Person(frozenset({"ada@example.com"}), frozenset())
    block_return(gmail.db, ada, gmail.now())
    erase_connected(gmail.db, ada, gmail.now())
    gmail_sim.deliver("Ada <ada@example.com>")
    gmail.pass_time()
    gmail.sync()
    row = gmail.pitch_row(pitch)
    assert (row["status"], row["reason"], row["address"], row["subject"]) == ("refused", "erased", None, "")
    assert (gmail.drafts(), gmail.sent(), gmail.senders()) == (0, [], ["bob@example.com"])
    assert gmail.items()[0]["to_addresses"] == [MARY]


def test_an_expired_token_is_refreshed_and_the_refresh_token_stays(
    gmail: GmailStage, gmail_sim: GmailSimulator
) -> None:
    """Google's answer to a refresh has no refresh token, twice."""
    gmail.sync()
    for number in range(2):
        gmail_sim.expire_access_tokens()
        gmail_sim.deliver(f"m{number}@example.com")
        gmail.pass_time()
        assert gmail.sync().success
    assert gmail.senders() == ["m0@example.com", "m1@example.com"]
    assert gmail_sim.requests["POST /token"] == 2


def test_access_that_was_taken_away_holds_the_mailbox_until_it_is_connected_again(
    gmail: GmailStage, gmail_sim: GmailSimulator
) -> None:
    """As after seven days of Google's Testing mode; what came and waits meanwhile is caught up."""
    assert gmail.connection is not None
    gmail.sync()
    gmail_sim.revoke_grants()
    gmail_sim.deliver("meanwhile@example.com")
    pitch = gmail.pitch()
    gmail.pass_time()
    assert gmail.sync().metadata["outcome"] == "reconnect"
    assert (gmail.row(gmail.connection)["held_for"], gmail.incidents()) == ("reconnect", ["connection_reconnect"])
    rows_of(gmail.db, "update pitches set connection_id = :id", id=gmail.connection)
    assert "reconnect" in show_pitch(gmail.db, pitch).because
    issued = gmail_sim.consent("client")
    grant = {name: issued[name] for name in ("access_token", "refresh_token")}
    put_grant(gmail.db, gmail.context.vault, gmail.connection, grant, None)
    reconnected(gmail.db, gmail.open(gmail.connection).connection, "mary", gmail.now())
    gmail.pass_time()
    gmail.sync()
    assert (gmail.status(pitch), gmail.senders(), gmail.incidents()) == ("sent", ["meanwhile@example.com"], [])


@pytest.mark.parametrize("wrong", [{"labels": []}, {"labels": ["a b"]}, {"new_mail": "some"}, {"daily_pitches": 0}])
def test_settings_of_a_mailbox_are_refused_by_name_when_they_are_changed(
    gmail: GmailStage, wrong: dict[str, object]
) -> None:
    assert gmail.connection is not None
    with pytest.raises(RejectedInput) as refused:
        change_settings(gmail.db, gmail.connection, wrong, None, "mary", gmail.now())
    assert f"settings.{next(iter(wrong))}" in describe_error(refused.value)
    assert gmail.row(gmail.connection)["settings"].keys().isdisjoint(wrong)
