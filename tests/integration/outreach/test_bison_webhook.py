"""What one delivery of EmailBison does, whatever it looks like, and that it does it once."""

import json
from typing import Any

import pytest

from crm_relay.platform.database import Database
from local.simulators.bison import BisonSimulator, EventOptions
from local.simulators.bison.state import SimulatedWorkspace, utc_now
from local.simulators.bison.webhooks.events import bodies, envelope, reserialised
from tests.support.outreach.bison_events import (
    METRIC_OF,
    METRICS,
    PERMANENT,
    account_event,
    address,
    counters,
    forget_everything,
    logged,
    mail,
    mail_data,
    untracked_reply,
)
from tests.support.outreach.bison_webhook_function import (
    CONTOSO,
    INSTANCE,
    NORTHWIND,
    NUMBERS,
    TOKENS,
    configure,
    deliver,
    delivery,
    plant_workspaces,
    tables,
)
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.rows import one, rows_of

SPELLINGS = [(case, names_instance) for case in ("upper", "lower", "mixed") for names_instance in (True, False)]


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> None:
    """Configured for this test's database, in which both workspaces are known."""
    configure(monkeypatch, database_url)
    plant_workspaces(database)


def a_day_at_bison() -> list[tuple[str, Any]]:
    """Event and data of everything that can happen, each once but for the e-mails."""
    simulator = BisonSimulator()
    workspace = simulator.workspace(NORTHWIND)
    account = simulator.add_account(workspace)
    answered, bounced, left = (simulator.send_email(account) for _ in range(3))
    simulator.interested(simulator.reply(answered))
    simulator.bounce(bounced)
    simulator.unsubscribe(left)
    simulator.open(answered)
    simulator.untracked_reply(account)
    simulator.disconnect(account)
    simulator.reconnect(account)
    simulator.manual_email(account)
    simulator.attach_tag(account, "batch 1")
    simulator.disable_warmup(account)
    simulator.delete_account(account)
    return [(each.event, each.payload["data"]) for each in simulator.webhooks.happened]


def wrapped(event: str, data: Any, options: EventOptions) -> bytes:
    workspace = SimulatedWorkspace(NUMBERS[NORTHWIND], NORTHWIND, "", utc_now())
    return bodies(envelope(workspace, INSTANCE, event, data, options), options)[0]


@pytest.mark.parametrize("form", ["plain", "data", "payload", "data_payload", "flat"])
def test_a_day_counts_the_same_in_every_envelope_and_spelling(database: Database, form: Any) -> None:
    happened = a_day_at_bison()
    for case, names_instance in SPELLINGS:
        forget_everything(database)
        options = EventOptions(envelope=form, case=case, instance_url=names_instance)  # type: ignore[arg-type]
        answers = [deliver(wrapped(event, data, options)) for event, data in happened]
        assert {(answer["status"], answer["success"]) for answer in answers} == {(200, True)}
        the_day_shows(database, [event for event, _ in happened])


def the_day_shows(database: Database, events: list[str]) -> None:
    assert counters(database) == dict(zip(METRICS, (3, 1, 1, 1, 1), strict=True))
    (lead,) = rows_of(database, "select workspace_name, lead_status, told_at = interested_at as told from client_leads")
    assert lead == {"workspace_name": NORTHWIND, "lead_status": "interested", "told": True}
    after = tables(database)
    (account,) = after["sender_emails_cache"]
    assert (account["removed_at"] is not None, account["workspace_name"]) == (True, NORTHWIND)
    assert [row["source"] for row in after["inbox_items"]] == ["bison", "bison"]
    assert [row["kind"] for row in after["consent_events"]] == ["hard_bounce", "opt_out"]
    assert [row["event_type"] for row in logged(database)] == events
    assert {row["success"] for row in logged(database, "success")} == {True}


@pytest.mark.parametrize("kind", METRIC_OF)
def test_each_kpi_event_moves_its_own_counter_by_one_and_no_other(database: Database, kind: str) -> None:
    assert deliver(mail(kind, 1))["events_processed"] == 1
    assert counters(database) == {METRIC_OF[kind]: 1}
    (line,) = logged(database, "event_type, workspace_name, success, metric, amount, is_first, origin, sender_email_id")
    assert line == {
        "event_type": kind,
        "workspace_name": NORTHWIND,
        "success": True,
        "metric": METRIC_OF[kind],
        "amount": 1,
        "is_first": True,
        "origin": "webhook",
        "sender_email_id": 7,
    }
    assert logged(database, "inbox_id") == rows_of(database, "select id as inbox_id from webhook_inbox")
    assert 0 <= logged(database, "processing_time_ms")[0]["processing_time_ms"] < 5000


@pytest.mark.parametrize("kind", [*METRIC_OF, "email_account_disconnected", "untracked_reply_received", "email_opened"])
def test_a_delivery_that_comes_again_leaves_nothing_but_a_line_in_the_log(database: Database, kind: str) -> None:
    body = account_event(kind) if kind.startswith("email_account") else mail(kind, 1)
    deliver(body)
    before = tables(database)
    for again in (body, reserialised(body), body):
        assert deliver(again)["status"] == 200
    assert tables(database) == before
    assert [row["success"] for row in logged(database, "success")] == [True] * 4
    assert one(database, "select deliveries, successes from webhook_delivery_slots") == {
        "deliveries": 4,
        "successes": 4,
    }


def test_the_same_event_in_another_envelope_is_the_same_event(database: Database) -> None:
    content = json.loads(mail("lead_replied", 1))
    for body in (content, {"data": content}, {"payload": content}, {"data": {"payload": content}}):
        deliver(json.dumps(body).encode())
    assert counters(database) == {"replies_mtd": 1}


@pytest.mark.parametrize(
    ("kind", "status"),
    [("lead_replied", "interested"), ("email_bounced", "bounced"), ("lead_unsubscribed", "unsubscribed")],
)
def test_what_an_interested_lead_does_next_shows_in_its_status(database: Database, kind: str, status: str) -> None:
    deliver(mail("lead_interested", 1))
    deliver(mail(kind, 2, at="2026-03-11T10:00:00Z"))
    assert one(database, "select lead_status from client_leads")["lead_status"] == status


def test_an_interested_lead_brings_what_was_known_before_it(database: Database) -> None:
    deliver(mail("lead_replied", 1, at="2026-03-09T10:00:00Z"))
    deliver(mail("lead_interested", 2))
    row = one(
        database, "select lead_id, lead_email, company, replied_at < interested_at as replied_first from client_leads"
    )
    assert row == {"lead_id": 1, "lead_email": address(1), "company": "Example", "replied_first": True}


@pytest.mark.parametrize(
    ("kind", "status", "removed"),
    [
        ("added", "Connected", False),
        ("disconnected", "Disconnected", False),
        ("reconnected", "Connected", False),
        ("removed", "Connected", True),
    ],
)
def test_an_account_is_as_the_last_event_says(database: Database, kind: str, status: str, removed: bool) -> None:
    deliver(account_event(f"email_account_{kind}"))
    row = one(database, "select status, removed_at is not null as removed, recheck_since from sender_emails_cache")
    assert (row["status"], row["removed"], row["recheck_since"] is not None) == (
        status,
        removed,
        kind == "disconnected",
    )


def test_a_delivery_costs_two_round_trips_and_a_repeated_one_three(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CountingProxy(database_url) as proxy:
        configure(monkeypatch, proxy.url)
        deliver(mail("email_sent", 1))
        bodies = [mail(kind, number, text=PERMANENT) for number, kind in enumerate(METRIC_OF, start=2)]
        bodies += [account_event("email_account_disconnected"), untracked_reply(9), delivery("lead_delighted", {})]
        for expected in (2, 3):
            for body in bodies:
                proxy.forget()
                deliver(body)
                assert (len(proxy.queries), proxy.other_messages) == (expected, []), body


# --- the source document's own samples ------------------------------------------------------------------------------


def sample(event: dict[str, Any], data: dict[str, Any]) -> bytes:
    return json.dumps(
        {"event": {"workspace_id": NUMBERS[NORTHWIND], "workspace_name": "Test Client"} | event, "data": data}
    ).encode()


def test_the_documents_email_sent_without_any_data_counts(database: Database) -> None:
    assert deliver(sample({"type": "email_sent"}, {}))["events_processed"] == 1
    assert counters(database) == {"emails_sent_mtd": 1}


@pytest.mark.parametrize("spelling", ["lead_interested", "LEAD_INTERESTED", "Lead_Interested"])
@pytest.mark.parametrize("instance", [{}, {"instance_url": INSTANCE}, {"instance_url": None}])
def test_the_documents_lead_interested_makes_the_lead(
    database: Database, spelling: str, instance: dict[str, Any]
) -> None:
    lead = {"id": 123, "email": "test@example.com", "first_name": "Test", "last_name": "User"}
    lead |= {"company": "Test Co", "title": "CEO"}
    data = {"lead": lead, "reply": {"date_received": "2025-10-09T12:00:00Z"}}
    assert deliver(sample({"type": spelling} | instance, data))["events_processed"] == 1
    row = one(
        database,
        """select lead_id, lead_email, first_name, last_name, company, title, lead_status,
               date_received at time zone 'UTC' as received from client_leads""",
    )
    assert str(row.pop("received")) == "2025-10-09 12:00:00"
    assert row == {("lead_" if name in {"id", "email"} else "") + name: value for name, value in lead.items()} | {
        "lead_status": "interested"
    }
    assert counters(database) == {"positive_replies_mtd": 1}


def test_two_workspaces_may_have_events_of_the_same_number(database: Database) -> None:
    deliver(mail("lead_interested", 1))
    deliver(mail("lead_interested", 1, workspace=CONTOSO), token=TOKENS[CONTOSO])
    assert counters(database) == counters(database, CONTOSO) == {"positive_replies_mtd": 1}
    assert len(tables(database)["client_leads"]) == len(tables(database)["inbox_items"]) == 2


def test_a_part_that_says_nothing_keeps_no_event_from_counting(database: Database) -> None:
    parts = ("lead", "reply", "sender_email", "campaign_event", "campaign", "scheduled_email")
    instead: tuple[Any, ...] = (None, "text", [], 17)
    for number, (part, nothing) in enumerate([(part, each) for part in parts for each in instead], start=1):
        body = delivery("lead_interested", mail_data("lead_interested", number) | {part: nothing})
        assert deliver(body)["events_processed"] == 1, (part, nothing)
        assert counters(database) == {"positive_replies_mtd": number}
