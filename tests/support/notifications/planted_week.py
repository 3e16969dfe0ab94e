"""A week of notifications as the board shows it: sent, held, gathered, left out, failed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.models import NotificationRequest, Recipients
from crm_relay.notifications.notify import notify
from crm_relay.platform.database import Database
from tests.support.platform.rows import one, rows_of

LINKS = LinkRules("https://crm.example.com")


@dataclass(frozen=True)
class PlantedWeek:
    """Ada gets everything at once, Bob does not want to be disturbed, Cleo has a daily digest."""

    org: UUID
    ada: UUID
    bob: UUID
    cleo: UUID


def plant_week(database: Database, now: datetime) -> PlantedWeek:
    """Five tasks a person over three days; one mail failed, one is of an unknown fate."""
    org: UUID = one(database, "select default_org_id() as id")["id"]
    people = PlantedWeek(org, *(_person(database, name) for name in ("ada", "bob", "cleo")))
    rows_of(
        database,
        """insert into notification_preferences (
               org_id, user_id, category, channels, frequency, dnd_enabled, dnd_until, quiet_hours_timezone
           )
           values (:org, :bob, 'assignment', '["in_app", "email"]', 'immediate', true, :later, 'UTC'),
               (:org, :cleo, 'assignment', '["in_app", "email"]', 'daily_digest', false, null, 'UTC')""",
        org=org,
        bob=people.bob,
        cleo=people.cleo,
        later=now + timedelta(days=1),
    )
    for number in range(5):
        at = now - timedelta(hours=60 - 14 * number)
        request = _task(people, f"task:{number}", "Call <b>Northwind</b>")
        database.transact(lambda tx, request=request, at=at: notify(tx, [request], at, links=LINKS))  # type: ignore[misc]
    rows_of(
        database,
        """update notification_deliveries set state = 'sent', left_at = created_at, not_before = null, content = null
           where user_id = :ada and channel = 'email'""",
        ada=people.ada,
    )
    rows_of(
        database,
        """with numbered as (
               select id, row_number() over (order by created_at) as place
               from notification_deliveries where user_id = :ada and channel = 'email'
           )
           update notification_deliveries delivery
           set state = case place when 1 then 'failed' else 'unknown' end
           from numbered where numbered.id = delivery.id and place <= 2""",
        ada=people.ada,
    )
    return people


def _person(database: Database, name: str) -> UUID:
    made: UUID = one(
        database,
        """insert into user_profiles (id, org_id, email, name, timezone, locale)
           values (:id, default_org_id(), :email, :name, 'UTC', 'en-GB') returning id""",
        id=uuid4(),
        email=f"{name}@example.com",
        name=name.title(),
    )["id"]
    return made


def _task(people: PlantedWeek, key: str, title: str) -> NotificationRequest:
    return NotificationRequest(
        org_id=people.org,
        event_key=key,
        recipients=Recipients(users=(people.ada, people.bob, people.cleo)),
        slug="task_assigned",
        variables={"task.title": title, "assigner.name": "Grace"},
    )
