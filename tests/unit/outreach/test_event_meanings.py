"""What an event of EmailBison means by itself, and which of two things that are known wins."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID

import pytest

from crm_relay.consent.models import ConsentKind
from crm_relay.outreach.decisions import (
    is_foreign,
    is_newer_call,
    later_state,
    meaning_of,
    replaced_filling,
)
from crm_relay.outreach.models import AccountState, Filling, OutreachWorkspace
from crm_relay.providers.bison.events import BisonDelivery, BisonEvent, BisonLead, LeadReply
from crm_relay.providers.bison.mapping import sender_account
from crm_relay.providers.bison.vocabulary import AccountStatus, EventKind
from crm_relay.providers.bison.wire import SenderEmail

AT = datetime(2026, 3, 10, 10, tzinfo=UTC)
RECEIVED = AT + timedelta(seconds=5)
LEAD = BisonLead(1, "Lea@Example.com", "Lea", None, None, None)
REPLY = LeadReply("r1", "Re: hello", "una@example.net", None, AT, False, None)
ACCOUNT = sender_account(SenderEmail(id=7, email="sam@example.com"), without_status="Connected")
EVENT = BisonEvent("k", "email_sent", AT, lead=LEAD, reply=REPLY, account=ACCOUNT)
NOBODY: frozenset[str] = frozenset()

MEANINGS: dict[EventKind, tuple[str | None, str | None, bool, bool]] = {
    "email_sent": ("emails_sent_mtd", None, False, False),
    "lead_replied": ("replies_mtd", "replied_at", True, False),
    "lead_interested": ("positive_replies_mtd", "interested_at", True, False),
    "email_bounced": ("bounced_mtd", "bounced_at", False, False),
    "lead_unsubscribed": ("unsubscribed_mtd", "unsubscribed_at", False, False),
    "untracked_reply": (None, None, True, False),
    "account_added": (None, None, False, True),
    "account_removed": (None, None, False, True),
    "account_disconnected": (None, None, False, True),
    "account_reconnected": (None, None, False, True),
}
"""Counter, time of the lead, whether the reply is kept, whether it reports the state of the account."""


def event(kind: EventKind, **details: object) -> BisonEvent:
    return replace(EVENT, kind=kind, **details)  # type: ignore[arg-type]


def test_every_kind_of_event_has_a_meaning() -> None:
    assert MEANINGS.keys() == set(get_args(EventKind))


@pytest.mark.parametrize("kind", MEANINGS)
def test_an_event_moves_one_counter_and_one_time(kind: EventKind) -> None:
    meaning = meaning_of(event(kind), RECEIVED, NOBODY)
    found = meaning.metric, meaning.lead_time, meaning.reply is not None, meaning.account is not None
    assert found == MEANINGS[kind]


def test_an_automatic_reply_is_kept_and_counts_only_where_the_workspace_wants_it() -> None:
    automatic = event("lead_replied", reply=replace(REPLY, is_automated=True))
    meaning = meaning_of(automatic, RECEIVED, NOBODY)
    assert (meaning.metric, meaning.lead_time, meaning.shown_in) == (None, None, "replies_mtd")
    assert meaning.reply is not None
    wanted = meaning_of(automatic, RECEIVED, NOBODY, counts_automated=True)
    assert (wanted.metric, wanted.lead_time, wanted.shown_in) == ("replies_mtd", None, None)
    interested = event("lead_interested", reply=replace(REPLY, is_automated=True))
    assert meaning_of(interested, RECEIVED, NOBODY).metric == "positive_replies_mtd"


@pytest.mark.parametrize(
    ("kind", "is_permanent", "expected"),
    [
        ("lead_unsubscribed", False, ConsentKind.OPT_OUT),
        ("email_bounced", True, ConsentKind.HARD_BOUNCE),
        ("email_bounced", False, None),
        ("lead_replied", True, None),
    ],
)
def test_only_an_unsubscribe_and_a_permanent_bounce_suppress(
    kind: EventKind, is_permanent: bool, expected: ConsentKind | None
) -> None:
    assert meaning_of(event(kind, is_permanent_bounce=is_permanent), RECEIVED, NOBODY).suppression == expected
    nowhere = event(kind, is_permanent_bounce=is_permanent, lead=replace(LEAD, email="no address"))
    assert meaning_of(nowhere, RECEIVED, NOBODY).suppression is None


@pytest.mark.parametrize("kind", MEANINGS)
def test_of_an_erased_lead_only_the_number_is_kept(kind: EventKind) -> None:
    meaning = meaning_of(event(kind, is_permanent_bounce=True), RECEIVED, frozenset(["lea@example.com"]))
    assert meaning.metric == MEANINGS[kind][0]
    assert (meaning.lead, meaning.lead_time, meaning.reply, meaning.suppression) == (None, None, None, None)


def test_a_reply_of_an_erased_writer_is_not_kept_and_the_lead_is() -> None:
    meaning = meaning_of(event("lead_replied"), RECEIVED, frozenset(["una@example.net"]))
    assert (meaning.reply, meaning.lead, meaning.lead_time) == (None, LEAD, "replied_at")


@pytest.mark.parametrize(
    ("kind", "own", "expected"),
    [
        ("account_added", "Disconnected", AccountState("Disconnected", AT, None, None)),
        ("account_removed", "Connected", AccountState("Connected", AT, None, AT)),
        ("account_disconnected", "Connected", AccountState("Disconnected", AT, RECEIVED, None)),
        ("account_reconnected", "Disconnected", AccountState("Connected", AT, None, None)),
    ],
)
def test_what_an_event_reports_of_an_account(kind: EventKind, own: AccountStatus, expected: AccountState) -> None:
    assert (
        meaning_of(event(kind, account=ACCOUNT and replace(ACCOUNT, status=own)), RECEIVED, NOBODY).account == expected
    )
    assert meaning_of(event(kind, account=None), RECEIVED, NOBODY).account is None


# --- which of two -----------------------------------------------------------------------------------------------------


GOOD = AccountState("Connected", AT, None, None)
BAD = AccountState("Disconnected", AT, AT, None)
GONE = AccountState("Connected", AT, None, AT)
LATER = AccountState("Connected", RECEIVED, None, None)


@pytest.mark.parametrize(
    ("known", "reported", "winner"),
    [
        (BAD, LATER, LATER),
        (LATER, BAD, LATER),
        (GOOD, BAD, BAD),
        (BAD, GOOD, BAD),
        (BAD, GONE, GONE),
        (GONE, BAD, GONE),
        (AccountState("Connected", None, None, None), BAD, BAD),
    ],
)
def test_the_later_state_wins_and_at_the_same_time_the_worse(
    known: AccountState, reported: AccountState, winner: AccountState
) -> None:
    assert later_state(known, reported) is winner


def test_of_two_calls_at_the_same_time_the_greater_key_wins_in_either_order() -> None:
    first, second = event("lead_interested", key="a"), event("lead_interested", key="b")
    assert is_newer_call(second, (AT, "a"))
    assert not is_newer_call(first, (AT, "b"))
    assert not is_newer_call(first, (AT, "a"))
    assert is_newer_call(first, (AT - timedelta(seconds=1), "z"))
    assert is_newer_call(first, None)
    assert is_newer_call(first, (None, None))


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("fillings", "replaced"),
    [
        ([], None),
        ([Filling(1, 3, AT + HOUR, 7)], Filling(1, 2, AT + HOUR, 7)),
        ([Filling(1, 3, AT + 2 * HOUR, 7), Filling(2, 1, AT + HOUR, 7)], Filling(2, 0, AT + HOUR, 7)),
        ([Filling(2, 1, AT + HOUR, 7), Filling(1, 1, AT + HOUR, 7)], Filling(1, 0, AT + HOUR, 7)),
        ([Filling(1, 1, AT, 7)], Filling(1, 0, AT, 7)),
        ([Filling(1, 3, AT - HOUR, 7)], None),
        ([Filling(1, 1, AT + HOUR, 7), Filling(2, -1, AT + HOUR, 7)], None),
        ([Filling(1, 0, AT + HOUR, 7), Filling(2, 1, AT - HOUR, 7)], None),
    ],
)
def test_an_event_that_comes_after_all_replaces_the_earliest_filling_behind_it(
    fillings: list[Filling], replaced: Filling | None
) -> None:
    assert replaced_filling(fillings, AT) == replaced


OURS = OutreachWorkspace("Northwind", "Northwind", UUID(int=1), UUID(int=2), 17, "send.example.com", False)


@pytest.mark.parametrize(
    ("said", "ours", "expected"),
    [
        ((17, "send.example.com"), (17, "send.example.com"), False),
        ((18, "send.example.com"), (17, "send.example.com"), True),
        ((17, "other.example.com"), (17, "send.example.com"), True),
        ((None, None), (17, "send.example.com"), False),
        ((18, "other.example.com"), (None, None), False),
    ],
)
def test_a_body_of_another_workspace_or_instance_is_foreign_where_both_are_known(
    said: tuple[int | None, str | None], ours: tuple[int | None, str | None], expected: bool
) -> None:
    delivery = BisonDelivery("email_sent", said[0], None, said[1], EVENT, "handled")
    assert is_foreign(delivery, replace(OURS, bison_id=ours[0], instance_host=ours[1])) == expected
