"""What a mail's events make of it: the same in every order, and scanners told from people."""

import random
from dataclasses import replace
from datetime import timedelta
from itertools import combinations, permutations

import pytest

from crm_relay.mail.decisions import LedgerEntry, SenderWeek, fold, is_scanner, sender_problem
from tests.support.mail.mail_events import BROWSER, GATEWAY, click, email_event
from tests.support.mail.mail_harness import MONDAY

LEDGER = LedgerEntry(sent_at=MONDAY, links=2, unsubscribe_token="u-123")
EVERY_KIND = (
    email_event("scheduled", -5),
    email_event("sent", 1),
    email_event("delivery_delayed", 2),
    email_event("delivered", 20),
    email_event("opened", 60, user_agent=BROWSER),
    click(90),
    email_event("bounced", 3, bounce_type="transient", reason="mailbox full"),
    email_event("bounced", 200, bounce_type="permanent", reason="no such user"),
    email_event("complained", 300),
    email_event("failed", 4, reason="reached_daily_quota"),
    email_event("suppressed", 5),
    email_event("unsubscribed", 250),
)


def test_every_order_of_any_four_kinds_of_events_ends_in_the_same_state() -> None:
    for chosen in combinations(EVERY_KIND, 4):
        expected = fold(LEDGER, chosen)
        assert all(fold(LEDGER, order) == expected for order in permutations(chosen)), chosen


def test_every_order_of_one_mails_whole_life_ends_in_the_same_state() -> None:
    life = [*EVERY_KIND[1:2], *EVERY_KIND[3:6], click(91, "b"), EVERY_KIND[8], EVERY_KIND[11]]
    expected = fold(LEDGER, life)
    assert expected.status == "spam"
    assert all(fold(LEDGER, order) == expected for order in permutations(life))


def test_an_event_that_comes_again_changes_nothing() -> None:
    expected = fold(LEDGER, EVERY_KIND)
    shuffled = random.Random(6)
    for _ in range(200):
        repeated = [event for event in EVERY_KIND for _ in range(shuffled.randint(1, 3))]
        shuffled.shuffle(repeated)
        assert fold(LEDGER, repeated) == expected


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ([], "sent"),
        (["scheduled"], "sent"),
        (["delivery_delayed"], "pending"),
        (["opened", "delivered"], "opened"),
        (["clicked", "opened", "delivered"], "clicked"),
        (["delivered", "delivery_delayed"], "delivered"),
        (["failed"], "failed"),
        (["suppressed", "failed"], "suppressed"),
        (["complained", "unsubscribed", "clicked"], "spam"),
        (["unsubscribed", "clicked"], "unsubscribed"),
    ],
)
def test_the_later_state_wins(kinds: list[str], status: str) -> None:
    assert fold(LEDGER, [email_event(kind, place) for place, kind in enumerate(kinds)]).status == status


@pytest.mark.parametrize(
    ("ledger", "status"),
    [("queued", "queued"), ("sending", "sending"), ("refused", "refused"), ("unknown", "unknown"), ("opened", "sent")],
)
def test_without_an_event_the_ledger_says_what_it_knows_itself(ledger: str, status: str) -> None:
    assert fold(LedgerEntry(status), []).status == status


@pytest.mark.parametrize("ledger", ["sending", "unknown", "queued"])
def test_any_event_shows_that_an_unclear_mail_was_sent(ledger: str) -> None:
    assert fold(LedgerEntry(ledger), [email_event("delivered", 5)]).status == "delivered"


@pytest.mark.parametrize(
    ("types", "status", "kept"),
    [
        (["transient"], "bounced", "transient"),
        (["undetermined"], "bounced", "undetermined"),
        (["transient", "permanent"], "bounced", "permanent"),
    ],
)
def test_a_bounce_is_a_bounce_whatever_its_type(types: list[str], status: str, kept: str) -> None:
    events = [email_event("bounced", place, bounce_type=kind) for place, kind in enumerate(types)]
    state = fold(LEDGER, events)
    assert (state.status, state.bounce_type, state.bounced_at) == (status, kept, MONDAY)


def test_a_delivery_outweighs_a_transient_bounce_and_a_permanent_one_outweighs_the_delivery() -> None:
    delivered = email_event("delivered", 5)
    assert fold(LEDGER, [email_event("bounced", 9, bounce_type="transient"), delivered]).status == "delivered"
    assert fold(LEDGER, [email_event("bounced", 9, bounce_type="permanent"), delivered]).status == "bounced"


def test_first_times_are_kept_and_the_last_human_one() -> None:
    state = fold(
        LEDGER,
        [email_event("delivered", 1), *(email_event("opened", at) for at in (500, 40, 90)), click(800), click(700)],
    )
    assert state.opened_at == state.first_human_open_at == MONDAY + timedelta(seconds=40)
    assert state.clicked_at == MONDAY + timedelta(seconds=700)
    assert state.last_human_at == MONDAY + timedelta(seconds=800)
    assert (state.opened_count, state.clicked_count) == (3, 2)


# --- people and machines ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "verdict"), [(-3, "machine"), (0, "machine"), (9.999, "machine"), (10, "human")])
def test_within_ten_seconds_of_the_delivery_it_was_a_machine(seconds: float, verdict: str) -> None:
    state = fold(LEDGER, [email_event("delivered", 100), email_event("opened", 100 + seconds, "open")])
    assert state.verdicts == {"open": verdict}
    assert state.human_opens == (verdict == "human")
    assert state.opened_count == 1


def test_where_no_delivery_was_told_the_sending_counts() -> None:
    assert fold(LEDGER, [email_event("opened", 9, "o")]).verdicts == {"o": "machine"}
    assert fold(LEDGER, [email_event("opened", 11, "o")]).verdicts == {"o": "human"}
    assert fold(LedgerEntry(), [email_event("sent", 5), email_event("opened", 14, "o")]).verdicts == {"o": "machine"}
    assert fold(LedgerEntry(), [email_event("opened", 1, "o")]).verdicts == {"o": "human"}


def test_a_delivery_that_is_told_late_changes_the_verdict_of_what_came_before_it() -> None:
    opened = email_event("opened", 60, "o")
    assert fold(LEDGER, [opened]).human_opens == 1
    assert fold(LEDGER, [opened, email_event("delivered", 55)]).human_opens == 0


@pytest.mark.parametrize(
    ("clicks", "machines"),
    [
        ([(60, "a"), (61, "b")], 2),
        ([(60, "a"), (63, "b")], 2),
        ([(60, "a"), (63.001, "b")], 0),
        ([(60, "a"), (61, "a")], 0),
        ([(60, "a"), (61, "b"), (90, "a")], 2),
        ([(60, "a")], 0),
        ([(60, "a"), (62, "a"), (64, "b")], 2),
    ],
)
def test_who_clicks_all_links_within_three_seconds_is_a_machine(clicks: list[tuple[float, str]], machines: int) -> None:
    state = fold(LEDGER, [email_event("delivered", 0), *(click(at, page) for at, page in clicks)])
    assert list(state.verdicts.values()).count("machine") == machines
    assert state.human_clicks == len(clicks) - machines


@pytest.mark.parametrize("links", [0, 1, 3])
def test_fewer_than_all_links_or_a_single_one_say_nothing(links: int) -> None:
    both = [email_event("delivered", 0), click(60), click(61, "b")]
    assert fold(replace(LEDGER, links=links), both).human_clicks == 2


def test_a_known_scanner_is_a_machine_whenever_it_comes() -> None:
    state = fold(LEDGER, [email_event("delivered", 0), click(4000, agent=GATEWAY), click(4100)])
    assert state.human_clicks == 1
    assert is_scanner(GATEWAY)
    assert not is_scanner(BROWSER)
    assert not is_scanner(None)


def test_every_verdict_has_its_reason() -> None:
    opened = email_event("opened", 1, "o", user_agent=BROWSER)
    state = fold(LEDGER, [email_event("delivered", 0), opened, click(60, agent=GATEWAY), click(4100)])
    assert sorted(state.reasons.values()) == [
        "a mail gateway's link check",
        "nothing speaks against a person",
        "within 10 seconds of the delivery",
    ]
    assert state.reasons.keys() == state.verdicts.keys()


def test_a_click_on_the_link_that_unsubscribes_is_no_interest() -> None:
    away = email_event("clicked", 60, "away", link="https://relay.example.com/unsubscribe/u-123", user_agent=BROWSER)
    state = fold(LEDGER, [email_event("delivered", 0), away])
    assert (state.clicked_count, state.human_clicks, state.verdicts) == (1, 0, {})


# --- senders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("week", "problem"),
    [
        (SenderWeek(49, 49, 49), None),
        (SenderWeek(50, 2, 0), None),
        (SenderWeek(100, 5, 0), None),
        (SenderWeek(100, 6, 0), "bounces"),
        (SenderWeek(1000, 0, 3), None),
        (SenderWeek(1000, 0, 4), "complaints"),
        (SenderWeek(50, 0, 1), "complaints"),
        (SenderWeek(0, 0, 0), None),
    ],
)
def test_a_sender_is_in_bad_health_above_five_percent_bounces_or_three_in_a_thousand_complaints(
    week: SenderWeek, problem: str | None
) -> None:
    assert sender_problem(week) == problem
