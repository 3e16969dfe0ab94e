"""`crm-relay why` shows what a colleague got, and what colleagues got about somebody's records."""

from uuid import UUID, uuid4

import pytest

from cli.why import in_lines
from crm_relay.notifications.people.known import LATEST
from crm_relay.operations.explain import Known, explain_person
from tests.support.notifications.notification_harness import NotificationHarness

Crew = NotificationHarness


def asked(crew: Crew, who: object) -> Known:
    return explain_person(crew.db, str(who), crew.now)


@pytest.mark.parametrize("by", ["id", "address"])
def test_a_colleagues_notifications_are_shown_without_their_words(crew: Crew, by: str) -> None:
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.prefer(ada, email_unsubscribed=True)
    crew.announce(ada, bob, title="Secret")
    crew.tick()
    known = asked(crew, ada if by == "id" else " Ada@Example.com ")
    (row,) = known.notifications.received
    assert (row["user_id"], row["template_slug"]) == (ada, "task_assigned")
    assert row["deliveries"] == {"in_app": "sent", "email": "skipped: unsubscribed"}
    assert (known.is_anything, known.notifications.about) == (True, [])
    assert "Secret" not in str(known)
    shown = in_lines(known)["notifications received"]
    assert "task_assigned, not read: email skipped: unsubscribed, in_app sent" in shown
    assert str(row["id"]) in shown


def record(crew: Crew, kind: str) -> UUID:
    """A contact, prospect or customer with the address eve@example.com."""
    made = uuid4()
    crew.rows(
        {
            "contact": "insert into contacts (id, org_id, email) values (:id, :org, 'eve@example.com')",
            "customer": "insert into customer_profiles (id, org_id) values (:id, :org)",
        }[kind],
        id=made,
        org=crew.org,
    )
    if kind == "customer":
        crew.rows(
            "insert into customer_emails (customer_id, email, is_primary) values (:id, 'eve@example.com', true)",
            id=made,
        )
    return made


@pytest.mark.parametrize("kind", ["contact", "customer"])
def test_what_colleagues_were_notified_of_about_somebody_is_shown(crew: Crew, kind: str) -> None:
    ada, made = crew.person("ada"), record(crew, kind)
    crew.announce(ada, entity_type=kind, entity_id=made)
    crew.announce(ada, entity_type=kind, entity_id=uuid4())
    known = asked(crew, "eve@example.com")
    (row,) = known.notifications.about
    assert (row["user_id"], row["entity_id"]) == (ada, made)
    assert known.notifications.received == []
    assert f"about {kind} {made}" in in_lines(known)["notifications about them"]


def test_the_newest_are_shown(crew: Crew) -> None:
    ada = crew.person("ada")
    for _ in range(LATEST + 3):
        crew.announce(ada)
        crew.wait(minutes=1)
    received = asked(crew, ada).notifications.received
    assert len(received) == LATEST
    assert received == sorted(received, key=lambda row: row["created_at"], reverse=True)
    assert received[0]["created_at"] == max(row["created_at"] for row in crew.deliveries(ada))


def test_of_nobody_there_is_nothing(crew: Crew) -> None:
    crew.announce(crew.person("ada"))
    known = asked(crew, "nobody@example.com")
    assert (known.is_anything, known.notifications.received, known.notifications.about) == (False, [], [])
