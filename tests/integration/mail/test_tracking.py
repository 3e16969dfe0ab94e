"""What comes back about a mail: once, in any order, before or after its row, and into the ledger of consent."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.mail.decisions import EmailEvent, LedgerEntry, MailState, fold
from crm_relay.platform.database import Database
from local.simulators.resend import MovableClock, ResendSimulator
from tests.support.mail.mail_events import (
    BROWSER,
    GATEWAY,
    apply,
    apply_delivered,
    click,
    delivered,
    email_event,
    state_of,
)
from tests.support.mail.mail_harness import MONDAY, MailHarness
from tests.support.platform.rows import one, rows_of

HISTORY = (
    email_event("sent", 1),
    email_event("delivery_delayed", 2),
    email_event("delivered", 20),
    email_event("opened", 21, user_agent=BROWSER),
    email_event("opened", 29.5, user_agent=BROWSER),
    email_event("opened", 30, user_agent=BROWSER),
    email_event("opened", 60, user_agent=BROWSER),
    click(90),
    click(92, "b"),
    click(4000, agent=GATEWAY),
    click(5000),
    email_event("bounced", 3, bounce_type="transient", reason="mailbox full"),
    email_event("bounced", 6000, bounce_type="permanent", reason="no such user"),
    email_event("complained", 7000),
)
LINKS = 2


@pytest.fixture
def post(database: Database) -> Iterator[MailHarness]:
    clock = MovableClock(lambda: MONDAY)
    with ResendSimulator(clock=clock, requests_per_second=None) as simulator:
        yield MailHarness(database, simulator, clock)


def sent_mail(post: MailHarness, name: str = "ada") -> tuple[UUID, str]:
    """The row's id and the provider's."""
    (send,) = post.queue(name, links=LINKS)
    post.send()
    return send, post.simulator.mail_to(f"{name}@example.com").id


def expected(post: MailHarness, send: UUID, events: Sequence[EmailEvent]) -> Any:
    token = one(post.db, "select unsubscribe_token from email_sends where id = :id", id=send)["unsubscribe_token"]
    return fold(LedgerEntry(sent_at=MONDAY, links=LINKS, unsubscribe_token=token), events)


def test_fifty_orders_through_the_database_end_where_the_pure_fold_does(post: MailHarness) -> None:
    send, email_id = sent_mail(post)
    before = one(post.db, "select * from email_sends")
    wanted = expected(post, send, HISTORY)
    shuffled = random.Random(2026)
    for _ in range(50):
        order = [event for event in HISTORY for _ in range(shuffled.choice((1, 1, 2)))]
        shuffled.shuffle(order)
        answers = apply(post.db, order, send, email_id)
        assert (answers.count("processed"), len(answers)) == (len(HISTORY), len(order))
        assert state_of(post.db, send) == wanted
        rows_of(post.db, "delete from email_logs")
        rows_of(post.db, "delete from webhook_inbox")
        forget(post.db, before)


def forget(database: Database, before: dict[str, Any]) -> None:
    """The mail as it was when it had just been sent."""
    kept = {"status", "sent_at", "message_id", "error_message"}
    values = ", ".join(f"{name} = :{name}" for name in kept)
    rows_of(database, f"update email_sends set {values}", **{name: before[name] for name in kept})
    blank = MailState("sent")
    names = [each.name for each in fields(MailState) if each.name not in {*kept, "verdicts", "reasons"}]
    rows_of(
        database,
        f"update email_sends set {', '.join(f'{name} = :{name}' for name in names)}",
        **{name: getattr(blank, name) for name in names},
    )


@pytest.mark.parametrize("seed", range(12))
def test_any_part_of_a_history_folds_alike_here_and_there(post: MailHarness, seed: int) -> None:
    send, email_id = sent_mail(post)
    chance = random.Random(seed)
    kinds = [
        "sent",
        "scheduled",
        "delivered",
        "delivery_delayed",
        "opened",
        "clicked",
        "bounced",
        "complained",
        "failed",
    ]
    events = [
        email_event(
            kind,
            chance.choice([-2, 0, 1, 5, 10, 11, 12, 60, 61, 62, 63, 64]),
            f"e{number}",
            link=f"https://example.com/{chance.choice('abc')}" if kind == "clicked" else None,
            user_agent=chance.choice([None, BROWSER, GATEWAY]) if kind in {"clicked", "opened"} else None,
            bounce_type=chance.choice(["permanent", "transient", "undetermined"]) if kind == "bounced" else None,
            reason=f"reason {number}" if kind in {"bounced", "failed"} else None,
        )
        for number, kind in enumerate(chance.choices(kinds, k=14))
    ]
    apply(post.db, events, send, email_id)
    assert state_of(post.db, send) == expected(post, send, events)


def test_an_event_that_comes_again_is_a_duplicate_and_writes_nothing(post: MailHarness) -> None:
    send, email_id = sent_mail(post)
    opened = email_event("opened", 60)
    assert apply(post.db, [opened, opened], send, email_id) == ["processed", "duplicate"]
    assert post.rows()["ada"]["opened_count"] == 1
    assert len(rows_of(post.db, "select from email_logs")) == 1


@pytest.mark.parametrize("tagged", [True, False])
def test_an_event_that_overtakes_the_answer_is_not_lost(post: MailHarness, tagged: bool) -> None:
    post.simulator.fault("500_after")
    (send,) = post.queue("ada")
    post.send()
    email_id = post.simulator.mail_to("ada@example.com").id
    answers = apply(post.db, [email_event("delivered", 20), email_event("opened", 60)], send, email_id, tagged=tagged)
    assert answers == ["processed" if tagged else "unmatched"] * 2
    assert post.status() == {"ada": "opened" if tagged else "sending"}
    post.wait(minutes=5)
    post.send()
    row = post.rows()["ada"]
    assert (row["status"], row["resend_id"], row["opened_count"]) == ("opened", email_id, 1)
    assert state_of(post.db, send).delivered_at == MONDAY + timedelta(seconds=20)
    assert post.got("ada") == 1


def test_an_event_of_nobodys_mail_is_kept_and_harms_nothing(post: MailHarness) -> None:
    assert apply(post.db, [email_event("opened", 1)], UUID(int=7), "em_other") == ["unmatched"]
    assert apply(post.db, [email_event("opened", 1)], UUID(int=7), "em_other") == ["duplicate"]
    assert len(rows_of(post.db, "select from email_logs where email_send_id is null")) == 1


@pytest.mark.parametrize("tag", ["not-a-uuid", "", "' or true --"])
def test_a_tag_that_is_no_id_of_ours_is_no_tag(post: MailHarness, tag: str) -> None:
    send, email_id = sent_mail(post)
    assert apply_delivered(post.db, delivered(email_event("opened", 60), tag, email_id)) == "processed"
    assert state_of(post.db, send).opened_count == 1


@pytest.mark.parametrize(
    ("suppresses", "kind", "bounce_type"),
    [("complaint", "complained", None), ("hard_bounce", "bounced", "permanent"), ("hard_bounce", "suppressed", None)],
)
def test_what_mutes_an_address_stands_in_the_ledger_of_consent_once(
    post: MailHarness, suppresses: str, kind: str, bounce_type: str | None
) -> None:
    send, email_id = sent_mail(post)
    event = email_event(kind, 0, "msg_1", bounce_type=bounce_type)
    for _ in range(2):
        apply_delivered(post.db, delivered(event, send, email_id, "somebody.else@example.com"))
    (entry,) = rows_of(post.db, "select address, kind, source, source_event, occurred_at from consent_events")
    assert entry == {
        "address": "ada@example.com",
        "kind": suppresses,
        "source": "resend",
        "source_event": "msg_1",
        "occurred_at": MONDAY,
    }
    (_again,) = post.queue("ada", key="another mail")
    post.send()
    assert post.got("ada") == 1


def test_who_was_erased_does_not_come_back_by_a_bounce(post: MailHarness) -> None:
    rows_of(
        post.db,
        """insert into consent_events (channel, address, kind, source, occurred_at)
           select 'email', erased_key('ada@example.com', value), 'erased', 'erase', now()
           from installation_settings where key = 'erasure_salt'""",
    )
    bounced = email_event("bounced", 0, "msg_1", bounce_type="permanent")
    apply_delivered(post.db, delivered(bounced, None, "em_1", "ada@example.com"))
    assert rows_of(post.db, "select from consent_events where address = 'ada@example.com'") == []
