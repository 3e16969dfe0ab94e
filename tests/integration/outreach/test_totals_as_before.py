"""Totals are judged in Python as the former version's function does, which the schema has for one release."""

import random
from datetime import timedelta
from typing import Any

import pytest

from crm_relay.outreach.polling.reconcile import reconcile
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.sql import Json, Query, Rows, SqlValue
from tests.support.outreach.bison_totals import NOON
from tests.support.outreach.bison_webhook_function import NORTHWIND

METRICS = ("emails_sent_mtd", "replies_mtd", "positive_replies_mtd", "bounced_mtd", "unsubscribed_mtd")
SETTLED_BEFORE = NOON + timedelta(hours=5)
_ACCOUNTS = Query.parse(
    "accounts",
    "accounts in any state of a comparison",
    """insert into sender_emails_cache (
           bison_instance, sender_email_id, workspace_name, email_address, last_synced_at, settled, settled_at,
           settling, settling_at
       )
       select 'send.example.com', id, name, 'x@example.com', synced, settled, settled_at, settling, settling_at
       from :accounts as account (
           id bigint, name text, synced timestamptz, settled jsonb, settled_at timestamptz, settling jsonb,
           settling_at timestamptz
       )""",
)
_LINES = Query.parse(
    "lines",
    "what was counted and filled in",
    """insert into webhook_delivery_log
           (event_type, workspace_name, success, origin, metric, amount, occurred_at, sender_email_id, is_first)
       select 'lead_replied', name, true, origin, metric, amount, at, id, is_first
       from :lines as line (
           id bigint, name text, origin text, metric text, amount integer, at timestamptz, is_first boolean
       )""",
)
_STATE = (
    "select sender_email_id, settled, settled_at, settling, settling_at from sender_emails_cache order by 1",
    """select event_key, event_type, is_first, success, origin, metric, amount, occurred_at, sender_email_id,
           workspace_name
       from webhook_delivery_log where event_type = 'polled_total' order by event_key""",
    """select workspace_name, month, metric_type, emails_sent_mtd, replies_mtd, positive_replies_mtd, bounced_mtd,
           unsubscribed_mtd
       from client_metrics order by month""",
)
_SETTLE = Query.parse("settle", "as before", "select * from settle_bison_accounts(:name, :before, :fills)")
_BEGIN = Query.parse(
    "begin",
    "as before",
    """update sender_emails_cache
       set settling = jsonb_build_object('emails_sent_mtd', emails_sent_count, 'replies_mtd', total_replied_count,
           'positive_replies_mtd', interested_leads_count, 'bounced_mtd', bounced_count, 'unsubscribed_mtd',
           unsubscribed_count, 'workspace', workspace_name), settling_at = last_synced_at
       where workspace_name = :name and settling is null and last_synced_at is distinct from settled_at""",
)


class RolledBack(Exception):
    """Ends a transaction without effect."""


def totals(choose: random.Random) -> dict[str, Any] | None:
    if choose.random() < 0.15:
        return None
    named = [metric for metric in METRICS if choose.random() < 0.9]
    owner = NORTHWIND if choose.random() < 0.85 else "Elsewhere"
    return {metric: choose.randrange(0, 9) for metric in named} | {"workspace": owner}


def account(number: int, choose: random.Random) -> dict[str, SqlValue]:
    settled, settling = totals(choose), totals(choose)
    if settled is not None and choose.random() < 0.5:
        settled["ahead"] = {metric: choose.randrange(1, 3) for metric in METRICS if choose.random() < 0.3}
    return {
        "id": number,
        "name": NORTHWIND if choose.random() < 0.9 else "Elsewhere",
        "synced": NOON + timedelta(hours=6, seconds=number),
        "settled": None if settled is None else Json(settled),
        "settled_at": None if settled is None else NOON,
        "settling": None if settling is None else Json(settling),
        "settling_at": None if settling is None else NOON + timedelta(hours=choose.choice((2, 4, 5, 6))),
    }


def line(number: int, choose: random.Random) -> dict[str, SqlValue]:
    """One that moves a counter, or an automatic reply that moves none."""
    counts = choose.random() < 0.8
    return {
        "id": number,
        "name": NORTHWIND if choose.random() < 0.9 else "Elsewhere",
        "origin": choose.choice(("webhook", "polled")),
        "metric": choose.choice(METRICS) if counts else None,
        "amount": choose.choice((-1, 0, 1, 1, 2)) if counts else 0,
        "is_first": choose.random() < 0.8,
        "at": NOON + timedelta(hours=choose.randrange(-1, 7)),
    }


def state(db: Database | Transaction) -> list[list[Row]]:
    return [db.run(Query.parse("state", "compared", text)) for text in _STATE]


def by_the_former(db: Database, *, fills: bool) -> tuple[list[Row], list[list[Row]]]:
    """Its gaps and all that it wrote, which is taken back."""
    found = []

    def work(transaction: Transaction) -> None:
        gaps = transaction.run(_SETTLE, name=NORTHWIND, before=SETTLED_BEFORE, fills=fills)
        if fills:
            transaction.run(_BEGIN, name=NORTHWIND)
        found.append((gaps, state(transaction)))
        raise RolledBack

    with pytest.raises(RolledBack):
        db.transact(work)
    return found[-1]


@pytest.mark.parametrize("seed", range(12))
def test_totals_are_judged_and_written_as_before(database: Database, seed: int) -> None:
    choose = random.Random(seed)
    numbers = range(1, 9)
    database.run(_ACCOUNTS, accounts=Rows([account(number, choose) for number in numbers]))
    database.run(
        _LINES, lines=Rows([line(number, choose) for number in numbers for _ in range(choose.randrange(1, 12))])
    )
    for fills in (False, True):
        gaps, written = by_the_former(database, fills=fills)
        done = reconcile(database, NORTHWIND, SETTLED_BEFORE, fills=fills, settling=timedelta())
        ours = [{"account_id": gap.account_id, "metric": gap.metric, "missing": gap.missing} for gap in done.gaps]
        assert ours == gaps
        assert gaps
        assert state(database) == written
