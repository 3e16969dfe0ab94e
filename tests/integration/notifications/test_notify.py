"""What a request becomes: rows, deliveries and digests, in the caller's transaction."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.notifications.models import Channel, EntityRef, NotificationRequest, Priority, Recipients
from crm_relay.notifications.notify import notify
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.sql import Json
from tests.support.notifications.notification_harness import LINKS, NotificationHarness
from tests.support.platform.rows import one, rows_of

Crew = NotificationHarness


def test_a_colleague_is_told_in_the_application_and_by_mail(crew: Crew) -> None:
    ada = crew.person("ada")
    report = crew.announce(ada)
    assert (len(report.created), report.refused) == (1, ())
    assert crew.states(ada, "in_app") == [("sent", None)]
    assert crew.states(ada) == [("waiting", None)]
    assert crew.woken == 1
    crew.tick()
    assert crew.states(ada) == [("sent", None)]
    assert crew.got("ada") == 1
    assert crew.delivery_status(ada) == [{"in_app": "sent", "email": "sent"}]


def test_the_row_has_what_the_template_says(crew: Crew) -> None:
    crew.announce(crew.person(), entity_type="task", entity_id=uuid4())
    (row,) = crew.rows("select * from notifications")
    assert (row["title"], row["message"]) == ("New task assigned", "Grace assigned you: Call Ada")
    assert (row["category"], row["type"], row["priority"], row["channels"]) == (
        "assignment",
        "info",
        "normal",
        ["in_app", "email"],
    )
    assert (row["template_slug"], row["template_version"], row["entity_type"]) == ("task_assigned", 1, "task")
    assert (row["is_silent"], row["group_count"], row["archived_at"]) == (False, 1, None)


def test_a_request_outweighs_the_template(crew: Crew) -> None:
    crew.announce(
        crew.person(),
        title="Soon",
        message="Now",
        type="warning",
        priority=Priority.URGENT,
        channels=(Channel.IN_APP,),
        action_url="/tasks/1",
        action_label="See it",
    )
    (row,) = crew.rows("select * from notifications")
    assert (row["title"], row["message"], row["type"], row["priority"]) == ("Soon", "Now", "warning", "urgent")
    assert (row["channels"], row["action_url"], row["action_label"]) == (["in_app"], "/tasks/1", "See it")
    assert crew.deliveries() == []


def test_a_request_without_a_template_is_shown_and_sends_no_mail(crew: Crew) -> None:
    ada = crew.person()
    plain: dict[str, Any] = {"slug": None, "category": "deal", "title": "Won", "message": "At last", "variables": {}}
    crew.announce(ada, channels=(Channel.IN_APP, Channel.EMAIL), **plain)
    assert crew.states(ada, "in_app") == [("sent", None)]
    assert crew.states(ada) == [("skipped", "no_template")]


def test_the_row_is_there_silently_where_the_application_was_not_asked(crew: Crew) -> None:
    crew.announce(crew.person(), channels=(Channel.EMAIL,))
    assert [row["is_silent"] for row in crew.rows("select is_silent from notifications")] == [True]


# --- who ------------------------------------------------------------------------------------------------------------


def test_recipients_are_named_by_role_by_entity_by_manager_or_as_everybody(crew: Crew) -> None:
    boss = crew.person("boss", role="manager")
    ada = crew.person("ada", role="sales", manager_id=boss)
    bob = crew.person("bob", role="sales")
    gone = crew.person("gone", role="sales", is_active=False)
    deal = one(crew.db, "insert into deals (name, owner_id) values ('Big', :ada) returning id", ada=ada)["id"]
    other = one(crew.db, "insert into organizations (name) values ('Other') returning id")["id"]
    stranger = crew.person("stranger", org=other, role="sales")

    def asked(recipients: Recipients) -> set[UUID]:
        ids = crew.announce(recipients=recipients).created
        rows = crew.rows("select user_id from notifications where id = any (cast(:ids as uuid[]))", ids=list(ids))
        return {row["user_id"] for row in rows}

    assert asked(Recipients(users=(ada, bob, ada))) == {ada, bob}
    assert asked(Recipients(role="sales")) == {ada, bob}
    assert asked(Recipients(owner_of=EntityRef("deal", deal))) == {ada}
    assert asked(Recipients(manager_of=ada)) == {boss}
    assert asked(Recipients(everybody=True)) == {ada, bob, boss}
    assert asked(Recipients(users=(ada,), role="manager")) == {ada, boss}
    assert asked(Recipients(users=(gone,))) == {gone}
    assert asked(Recipients(users=(stranger,))) == set()
    assert asked(Recipients(owner_of=EntityRef("planet", deal))) == set()


def test_a_deal_of_another_organization_names_nobody(crew: Crew) -> None:
    other = one(crew.db, "insert into organizations (name) values ('Other') returning id")["id"]
    deal = one(
        crew.db,
        "insert into deals (name, org_id, owner_id) values ('Big', :other, :owner) returning id",
        other=other,
        owner=crew.person("stranger", org=other),
    )["id"]
    report = crew.announce(recipients=Recipients(owner_of=EntityRef("deal", deal)))
    assert [refusal.reason for refusal in report.refused] == ["no_recipient"]


@pytest.mark.parametrize("over", ["expired", "user_inactive"])
def test_what_is_over_when_it_comes_is_put_away_at_once(crew: Crew, over: str) -> None:
    ada = crew.person(is_active=over != "user_inactive")
    crew.announce(ada, expires_at=crew.now if over == "expired" else None)
    assert crew.states(ada) == crew.states(ada, "in_app") == [("skipped", over)]
    assert [row["archived_at"] for row in crew.rows("select archived_at from notifications")] == [crew.now]


# --- once -----------------------------------------------------------------------------------------------------------


def test_the_same_event_is_one_notification_for_ever(crew: Crew) -> None:
    ada, bob = crew.person("ada"), crew.person("bob")
    event = crew.request(ada)
    crew.notify(event)
    assert crew.notify(event).duplicates == 1
    again = crew.notify(replace(event, recipients=Recipients(users=(ada, bob))))
    assert (len(again.created), again.duplicates) == (1, 1)
    crew.rows("delete from notifications")
    assert crew.notify(event).created == ()


def test_two_requests_of_one_call_that_speak_of_one_event_are_one(crew: Crew) -> None:
    event = crew.request(crew.person())
    report = crew.notify(event, event)
    assert (len(report.created), report.duplicates) == (1, 1)


def test_two_transactions_at_once_with_one_event_make_one_notification(crew: Crew) -> None:
    event = crew.request(*[crew.person(f"p{number}") for number in range(5)])
    barrier = threading.Barrier(4)

    def work(_: int) -> int:
        database = Database(crew.url)
        barrier.wait()
        made = database.transact(lambda tx: notify(tx, [event], crew.now, links=LINKS))
        database.close()
        return len(made.created)

    with ThreadPoolExecutor(4) as workers:
        assert sum(workers.map(work, range(4))) == 5
    assert len(crew.rows("select from notifications")) == 5


def test_what_a_caller_rolls_back_was_never_said(crew: Crew) -> None:
    event = crew.request(crew.person())

    def work(tx: Transaction) -> None:
        notify(tx, [event], crew.now, wake=crew.wake)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crew.db.transact(work)
    assert crew.woken == 0
    assert len(crew.notify(event).created) == 1


def test_nobody_is_woken_where_nothing_is_due(crew: Crew) -> None:
    ada = crew.person()
    crew.prefer(ada, frequency="daily_digest")
    crew.announce(ada)
    crew.announce(ada, channels=(Channel.IN_APP,))
    assert crew.woken == 0


# --- groups ---------------------------------------------------------------------------------------------------------


def test_an_unread_notification_of_a_group_is_updated(crew: Crew) -> None:
    ada = crew.person()
    first = crew.announce(ada, group_key="task:1", title="One")
    second = crew.announce(ada, group_key="task:1", title="Two")
    assert second.grouped == first.created
    (row,) = crew.rows("select * from notifications")
    assert (row["title"], row["group_count"]) == ("Two", 2)
    crew.tick()
    assert crew.got() == 1
    assert "Two" in crew.rows("select title from notifications")[0]["title"]


def test_those_of_one_call_are_one_with_the_newest_text_and_the_highest_urgency(crew: Crew) -> None:
    ada = crew.person()
    crew.notify(
        crew.request(ada, group_key="g", title="One", priority=Priority.URGENT),
        crew.request(ada, group_key="g", title="Two", priority=Priority.LOW),
    )
    (row,) = crew.rows("select * from notifications")
    assert (row["title"], row["group_count"]) == ("Two", 2)
    assert [each["lane"] for each in crew.deliveries(ada)] == [1]


def test_a_mail_that_has_not_left_carries_the_newest_text_of_its_group(crew: Crew) -> None:
    ada = crew.person()
    crew.announce(ada, group_key="g")
    crew.announce(ada, group_key="g", variables={"task": {"title": "Call Bob"}, "assigner": {"name": "Grace"}})
    crew.tick()
    assert [mail.payload["subject"] for mail in crew.sim.mails] == ["New task: Call Bob"]


def test_a_group_is_mailed_again_an_hour_after_its_last_mail_and_not_before(crew: Crew) -> None:
    ada = crew.person()
    crew.announce(ada, group_key="g")
    crew.tick()
    crew.wait(minutes=59)
    crew.announce(ada, group_key="g")
    crew.tick()
    assert crew.got() == 1
    crew.wait(minutes=2)
    crew.announce(ada, group_key="g")
    crew.tick()
    assert crew.got() == 2
    assert [row["round"] for row in crew.deliveries(ada)] == [1]


def test_a_group_that_was_read_begins_a_new_row(crew: Crew) -> None:
    ada = crew.person()
    crew.announce(ada, group_key="g")
    crew.rows("update notifications set read_at = now()")
    assert len(crew.announce(ada, group_key="g").created) == 1


def test_something_urgent_in_a_group_does_not_wait_for_the_digest_of_the_others(crew: Crew) -> None:
    ada = crew.person()
    crew.prefer(ada, frequency="daily_digest")
    crew.announce(ada, group_key="g")
    crew.announce(ada, group_key="g", priority=Priority.URGENT)
    assert [(row["state"], row["lane"]) for row in crew.deliveries(ada)] == [("waiting", 1)]


def test_something_urgent_in_a_group_is_mailed_within_the_hour_and_once(crew: Crew) -> None:
    ada = crew.person()
    crew.announce(ada, group_key="g")
    crew.tick()
    crew.wait(minutes=5)
    for _ in range(2):
        crew.announce(ada, group_key="g", priority=Priority.URGENT)
        crew.tick()
    assert crew.got() == 2


def test_something_urgent_in_a_group_does_not_wait_for_a_mail_that_the_ledger_holds(crew: Crew) -> None:
    ada = crew.person()
    crew.announce(ada, group_key="g")
    rows_of(
        crew.db,
        "update notification_deliveries set state = 'queued', content = null where channel = 'email' returning id",
    )
    crew.announce(ada, group_key="g")
    crew.tick()
    assert crew.got() == 0
    crew.announce(ada, group_key="g", priority=Priority.URGENT)
    crew.tick()
    assert crew.got() == 1


def test_a_group_that_was_urgent_once_is_a_usual_one_when_it_is_mailed_again(crew: Crew) -> None:
    ada = crew.person()
    crew.announce(ada, group_key="g", priority=Priority.URGENT)
    crew.tick()
    crew.wait(hours=2)
    crew.prefer(ada, frequency="daily_digest")
    crew.announce(ada, group_key="g")
    crew.prefer(ada, frequency="daily_digest", digest_time="10:00")
    crew.tick()
    assert (crew.got(), crew.states(ada)) == (1, [("digest", "daily_digest")])


# --- refused --------------------------------------------------------------------------------------------------------


def test_a_request_that_lacks_a_variable_is_refused_by_name_and_the_others_go_on(crew: Crew) -> None:
    ada = crew.person()
    report = crew.notify(
        crew.request(ada, variables={"task": {"title": "Secret"}}),
        crew.request(ada),
    )
    assert len(report.created) == 1
    (refusal,) = report.refused
    assert refusal.reason == "template"
    assert "assigner.name" in refusal.details
    assert "Secret" not in str(refusal)
    assert crew.incidents() == {"notification_template"}


def test_a_template_that_works_again_closes_its_incident(crew: Crew) -> None:
    ada = crew.person()
    crew.announce(ada, variables={})
    assert crew.incidents() == {"notification_template"}
    crew.announce(ada)
    assert crew.incidents() == set()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"slug": "nobody_has_it"}, "no_template"),
        ({"slug": None, "category": "x", "title": "y"}, "invalid"),
        ({"event_key": ""}, "invalid"),
        ({"event_key": "x" * 501}, "invalid"),
        ({"group_key": "x" * 501}, "invalid"),
        ({"title": "a\0b"}, "invalid"),
        ({"message": "a\ud800b"}, "invalid"),
        ({"type": "x" * 101}, "invalid"),
        ({"action_url": "javascript:alert(1)"}, "template"),
        ({"action_url": "https://elsewhere.example"}, "template"),
        ({"variables": {"task": {"title": "a\0b"}, "assigner": {"name": "Grace"}}}, "template"),
    ],
)
def test_what_the_database_would_refuse_never_breaks_the_callers_transaction(
    crew: Crew, change: dict[str, object], reason: str
) -> None:
    ada = crew.person()
    report = crew.notify(crew.request(ada, **change), crew.request(ada))
    assert [refusal.reason for refusal in report.refused] == [reason]
    assert len(report.created) == 1


def test_a_broken_template_in_the_table_stops_its_own_requests_alone(crew: Crew) -> None:
    crew.rows(
        """insert into notification_templates
               (org_id, name, slug, category, title_template, message_template, variables)
           values (:org, 'Broken', 'broken', 'deal', '{{', 'x', :wrong)""",
        org=crew.org,
        wrong=Json([1]),
    )
    ada = crew.person()
    report = crew.notify(crew.request(ada, slug="broken"), crew.request(ada))
    assert ([each.reason for each in report.refused], len(report.created)) == (["template"], 1)


def test_the_template_of_the_organization_outweighs_the_systems(crew: Crew) -> None:
    crew.rows(
        """insert into notification_templates
               (org_id, name, slug, category, title_template, message_template, version, default_type, default_priority,
                default_channels)
           values (
               :org, 'Own', 'task_assigned', 'chores', 'Chore', 'Do it', 7, 'warning', 'urgent', '["in_app", "sms"]'
           )""",
        org=crew.org,
    )
    crew.announce(crew.person())
    (row,) = crew.rows("select * from notifications")
    assert (row["title"], row["category"], row["template_version"]) == ("Chore", "chores", 7)
    assert (row["type"], row["priority"], row["channels"]) == ("warning", "urgent", ["in_app", "sms"])


# --- how much it costs ----------------------------------------------------------------------------------------------


class CountingTransaction:
    """Counts the statements of a transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self.statements = 0

    def run(self, *arguments: object, **values: object) -> object:
        self.statements += 1
        return self._transaction.run(*arguments, **values)  # type: ignore[arg-type]

    def after_commit(self, callback: Callable[[], None]) -> None:
        self._transaction.after_commit(callback)


def counted(crew: Crew, *requests: NotificationRequest) -> int:
    def work(tx: Transaction) -> int:
        counting = CountingTransaction(tx)
        notify(counting, requests, crew.now, links=LINKS, wake=crew.wake)  # type: ignore[arg-type]
        return counting.statements

    return crew.db.transact(work)


def test_a_thousand_recipients_cost_six_statements(crew: Crew) -> None:
    crew.rows(
        """insert into user_profiles (id, org_id, email)
           select gen_random_uuid(), :org, 'p' || number || '@example.com' from generate_series(1, 1000) as number""",
        org=crew.org,
    )
    crew.rows(
        """insert into notification_preferences (org_id, user_id, category, frequency, channels)
           select org_id, id, 'assignment', 'daily_digest', '["in_app", "email"]' from user_profiles limit 500"""
    )
    everybody = crew.request(recipients=Recipients(everybody=True), group_key="all")
    assert counted(crew, everybody) == 6
    again = [crew.request(recipients=Recipients(everybody=True), group_key="all") for _ in range(3)]
    assert counted(crew, *again) == 6
    assert len(crew.rows("select from notification_deliveries")) == 2000
    assert {row["group_count"] for row in crew.rows("select group_count from notifications")} == {4}


def test_an_hour_later_is_counted_from_the_last_mail(crew: Crew) -> None:
    """Of a person in a digest: what left with it left."""
    ada = crew.person()
    crew.prefer(ada, frequency="hourly_digest")
    crew.announce(ada, group_key="g")
    crew.wait(hours=1)
    crew.tick()
    assert crew.got() == 1
    crew.announce(ada, group_key="g")
    crew.wait(hours=1)
    crew.tick()
    assert crew.got() == 1
    crew.announce(ada, group_key="g")
    crew.time[0] += timedelta(hours=1)
    crew.tick()
    assert crew.got() == 2
