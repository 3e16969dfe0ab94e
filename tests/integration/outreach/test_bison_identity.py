"""An event counts once, whatever of it a redelivery leaves out and whatever its workspace is called meanwhile."""

from collections.abc import Sequence
from typing import Any

import pytest

from crm_relay.outreach import store
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from tests.support.outreach.bison_events import counters, mail, mail_data
from tests.support.outreach.bison_totals import at, compare, show, shown_and_compared
from tests.support.outreach.bison_webhook_function import (
    CONTOSO,
    NORTHWIND,
    TOKENS,
    configure,
    deliver,
    delivery,
    plant_workspaces,
)
from tests.support.platform.rows import one, rows_of

EUROPE = "Northwind Europe"
RENAME = "update workspaces set name = 'Northwind Europe' where name = 'Northwind'"
COUNTED = "select coalesce(sum(emails_sent_mtd), 0)::integer as n from client_metrics where workspace_name = :name"


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> None:
    configure(monkeypatch, database_url)
    plant_workspaces(database)


def shaped(kind: str, number: int, without: Sequence[str], *, null: bool = True, **details: Any) -> bytes:
    """The event `number` without some of its ids: `reply`, or `reply.uuid`."""
    data = mail_data(kind, number, **details)
    for path in without:
        part, _, word = path.partition(".")
        if word:
            data[part][word] = None
        elif null:
            data[part] = None
        else:
            data.pop(part, None)
    return delivery(kind, data)


SHAPES = {
    "email_sent": [["campaign_event"], ["scheduled_email"], ["campaign_event.id"], ["lead", "campaign_event"]],
    "lead_unsubscribed": [["campaign_event"], ["scheduled_email"], ["sender_email", "campaign_event"]],
    "lead_replied": [
        ["campaign_event"],
        ["reply"],
        ["reply.uuid", "campaign_event"],
        ["reply.id", "campaign_event", "lead"],
        ["campaign_event", "reply"],
        ["scheduled_email", "campaign_event"],
    ],
    "email_bounced": [["campaign_event"], ["reply", "campaign_event"], ["reply.uuid", "campaign_event"]],
}
REPEATED = [(kind, without) for kind, shapes in SHAPES.items() for without in shapes]


@pytest.mark.parametrize("null", [True, False])
@pytest.mark.parametrize(("kind", "without"), REPEATED)
def test_a_redelivery_without_some_of_its_ids_counts_no_second_time(
    database: Database, kind: str, without: list[str], null: bool
) -> None:
    for first, second in ((1, 2), (4, 3)):
        bodies = {1: mail(kind, 1), 2: shaped(kind, 1, without, null=null)}
        bodies |= {4: shaped(kind, 2, without, null=null), 3: mail(kind, 2)}
        assert deliver(bodies[first])["events_processed"] == 1
        assert deliver(bodies[second])["duplicates"] == 1
    assert sum(counters(database).values()) == 2


def test_what_a_redelivery_adds_is_learned(database: Database) -> None:
    deliver(shaped("lead_replied", 1, ["reply", "scheduled_email"]))
    assert deliver(mail("lead_replied", 1))["duplicates"] == 1
    assert deliver(shaped("lead_replied", 1, ["campaign_event", "scheduled_email", "reply.uuid"]))["duplicates"] == 1


def test_two_replies_to_one_mail_are_two(database: Database) -> None:
    def reply(number: int, without: Sequence[str] = ()) -> bytes:
        data = mail_data("lead_replied", number) | {"scheduled_email": {"id": 77}}
        return delivery("lead_replied", data | dict.fromkeys(without))

    assert deliver(reply(1))["events_processed"] == 1
    assert deliver(reply(2))["events_processed"] == 1
    assert deliver(reply(2, ["campaign_event", "reply"]))["duplicates"] == 1
    assert counters(database) == {"replies_mtd": 2}


def test_a_vague_reply_is_the_first_that_names_its_mail_and_no_later_one(database: Database) -> None:
    vague = delivery("lead_replied", {"scheduled_email": {"id": 77}, "lead": {"id": 1}})
    replies = [
        delivery("lead_replied", mail_data("lead_replied", number) | {"scheduled_email": {"id": 77}})
        for number in (1, 2)
    ]
    assert deliver(vague)["events_processed"] == 1
    assert deliver(replies[0])["duplicates"] == 1
    assert deliver(replies[1])["events_processed"] == 1
    assert [deliver(each)["duplicates"] for each in (vague, *replies)] == [1, 1, 1]
    assert counters(database) == {"replies_mtd": 2}


# --- events that name no account --------------------------------------------------------------------------------------


def test_events_without_their_account_are_not_filled_in_again(database: Database) -> None:
    shown_and_compared(database, 0, sent=1000)
    compare(database, 1)
    for number in range(3):
        deliver(shaped("email_sent", number, ["sender_email"], at=at(2)))
    show(database, 4, sent=1003)
    for hours in (4, 5, 6, 7):
        assert compare(database, hours).gaps == []
    assert counters(database) == {"emails_sent_mtd": 3}
    assert store.metric_drift(database, "2026-03-01") == []


def test_events_without_their_account_explain_only_as_many_as_they_are(database: Database) -> None:
    for account in (7, 8):
        show(database, 0, account=account, sent=1000)
    compare(database, 0)
    compare(database, 1)
    for number in range(3):
        deliver(shaped("email_sent", number, ["sender_email"], at=at(2)))
    for account in (7, 8):
        show(database, 4, account=account, sent=1004)
    compare(database, 4)
    assert compare(database, 5, fills=False).missing == 5
    assert compare(database, 5).missing == 5
    assert counters(database) == {"emails_sent_mtd": 8}


def test_an_event_without_its_account_takes_the_place_of_one_that_was_filled_in(database: Database) -> None:
    shown_and_compared(database, 0, sent=1000)
    compare(database, 1)
    show(database, 4, sent=1003)
    compare(database, 4)
    assert compare(database, 5).missing == 3
    for number in range(3):
        deliver(shaped("email_sent", number, ["sender_email"], at=at(2)))
        assert counters(database) == {"emails_sent_mtd": 3}
    for hours in (6, 7, 8):
        show(database, hours, sent=1003)
        assert compare(database, hours).gaps == []
    assert store.metric_drift(database, "2026-03-01") == []


# --- workspaces that are renamed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("token_is_renamed", [False, True])
def test_a_renamed_workspace_counts_nothing_again_and_everything_new_under_its_name(
    monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str, token_is_renamed: bool
) -> None:
    deliver(mail("email_sent", 1))
    deliver(mail("lead_interested", 2))
    rows_of(database, RENAME)
    if token_is_renamed:
        tokens = f'{{"{EUROPE}": "{TOKENS[NORTHWIND]}"}}'
        configure(monkeypatch, database_url, BISON_WEBHOOK_TOKENS=tokens)

    assert deliver(mail("email_sent", 1) + b" ")["duplicates"] == 1
    assert deliver(mail("email_sent", 3))["events_processed"] == 1
    assert deliver(mail("lead_replied", 2))["events_processed"] == 1

    assert counters(database, EUROPE) == {"emails_sent_mtd": 2, "positive_replies_mtd": 1, "replies_mtd": 1}
    assert counters(database) == {}
    leads = rows_of(database, "select workspace_name, lead_id, replied_at is not null as replied from client_leads")
    assert leads == [{"workspace_name": EUROPE, "lead_id": 1, "replied": True}]
    assert len(rows_of(database, "select from inbox_items")) == 1
    health = rows_of(database, "select workspace_name, webhook_count_24h from webhook_health order by 1")
    assert health[1] == {"workspace_name": EUROPE, "webhook_count_24h": 5}
    assert store.metric_drift(database, "2026-03-01") == []


def test_the_totals_of_a_renamed_workspace_are_settled_as_before(database: Database) -> None:
    shown_and_compared(database, 0, sent=1000)
    compare(database, 1)
    deliver(mail("email_sent", 1, at=at(2)))
    rows_of(database, RENAME)
    deliver(mail("email_sent", 2, at=at(2)))
    rows_of(database, "update sender_emails_cache set emails_sent_count = 1003, last_synced_at = :at", at=at(4))
    for hours in (4, 5, 6):
        compare(database, hours)
    assert one(database, COUNTED, name=EUROPE)["n"] == 3
    assert store.metric_drift(database, "2026-03-01") == []


def test_names_under_which_deliveries_were_counted_are_not_taken_by_another_organization(database: Database) -> None:
    other = one(database, "insert into organizations (name) values ('Other') returning id")["id"]
    rows_of(database, "delete from workspace_names")
    database.run_script("alter table workspaces disable trigger all")
    rows_of(database, "delete from workspaces where name = :name", name=CONTOSO)
    database.run_script("alter table workspaces enable trigger all")
    deliver(mail("lead_interested", 1, workspace=CONTOSO), token=TOKENS[CONTOSO])
    with pytest.raises(RejectedInput, match="workspace_name_is_not_reused"):
        rows_of(database, "insert into workspaces (org_id, name) values (:org, :name)", org=other, name=CONTOSO)
    rows_of(database, "insert into workspaces (org_id, name) values (default_org_id(), :name)", name=CONTOSO)


def test_what_was_counted_under_two_names_is_put_together_and_once(database: Database) -> None:
    deliver(mail("email_sent", 1))
    deliver(mail("lead_interested", 2))
    database.run_script("alter table workspaces disable trigger relabel_workspace")
    rows_of(database, RENAME)
    database.run_script("alter table workspaces enable trigger relabel_workspace")
    database.run_script(
        """insert into webhook_delivery_log (
               event_type, workspace_name, success, event_key, is_first, metric, amount, occurred_at
           )
           select
               'email_sent', 'Northwind Europe', true, 'email_sent:campaign_event:' || number, true, 'emails_sent_mtd',
               1, '2026-03-10T10:00Z'
           from unnest(array[1, 9]) as number;
           insert into client_metrics (workspace_name, month, metric_type, emails_sent_mtd)
           values ('Northwind Europe', '2026-03-01', 'month', 2);
           insert into client_leads (workspace_name, lead_id, lead_email, told_at, told_by, interested_at, bounced_at)
           values ('Northwind Europe', 1, 'new@example.org', '2026-03-11', 'x', '2026-03-11', '2026-03-12')"""
    )
    for _ in range(2):
        rows_of(database, "update workspaces set name = name where name = :name", name=EUROPE)
        assert counters(database, EUROPE) == {"emails_sent_mtd": 2, "positive_replies_mtd": 1}
        assert counters(database) == {}
        assert store.metric_drift(database, "2026-03-01") == []
        (lead,) = rows_of(database, "select workspace_name, lead_email, lead_status from client_leads")
        assert lead == {"workspace_name": EUROPE, "lead_email": "new@example.org", "lead_status": "bounced"}
    assert deliver(mail("email_sent", 9))["duplicates"] == 1
