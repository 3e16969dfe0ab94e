"""A preference, default or category that changes beside a running notify keeps nobody waiting by the former one."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from crm_relay.platform.database import Database, Row
from tests.support.notifications.notification_harness import NotificationHarness
from tests.support.platform.rows import rows_of

Crew = NotificationHarness
STATEMENTS = 6
"""Of a notify whose person has a digest."""

WEEKLY = """insert into notification_categories (org_id, category, frequency)
    values (default_org_id(), 'assignment', 'weekly_digest')"""
OWN_WEEKLY = """insert into notification_preferences (org_id, user_id, category, channels, frequency)
    select org_id, id, 'assignment', '["in_app", "email"]', 'weekly_digest' from user_profiles"""
CHANGES = {
    "an own preference is changed": (
        OWN_WEEKLY,
        "update notification_preferences set frequency = 'immediate'",
    ),
    "an own preference is added": (
        WEEKLY,
        OWN_WEEKLY.replace("weekly_digest", "immediate"),
    ),
    "an own preference is removed": (
        OWN_WEEKLY,
        "delete from notification_preferences",
    ),
    "an own preference moves to another category": (
        OWN_WEEKLY,
        "update notification_preferences set category = 'another'",
    ),
    "the default is changed": (WEEKLY, "update notification_categories set frequency = 'immediate'"),
    "the default is removed": (WEEKLY, "delete from notification_categories"),
    "the default moves to another category": (WEEKLY, "update notification_categories set category = 'another'"),
    "the category becomes critical": (
        OWN_WEEKLY,
        """insert into notification_categories (org_id, category, is_critical)
           values (default_org_id(), 'assignment', true)""",
    ),
}


class InterruptedDatabase(Database):
    """Sends each statement of a transaction by itself, and calls `between` before the one with this number."""

    def __init__(self, url: str, place: int, between: Callable[[], None]) -> None:
        super().__init__(url)
        self.sent, self._place, self._between = 0, place, between

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        if self.sent == self._place:
            self._between()
        self.sent += 1
        return super()._send(sql, **more)


@pytest.mark.parametrize("place", range(STATEMENTS + 2))
@pytest.mark.parametrize(("before", "change"), CHANGES.values(), ids=CHANGES)
def test_whenever_it_commits_what_was_decided_by_the_former_one_is_asked_again(
    crew: Crew, before: str, change: str, place: int
) -> None:
    """Before each statement of notify, before its commit and behind it, in a transaction of its own."""
    ada = crew.person()
    crew.rows(before)
    changing: list[Future[list[Row]]] = []
    other = Database(crew.url)
    with ThreadPoolExecutor(1) as threads:

        def begin_change() -> None:
            changing.append(threads.submit(rows_of, other, change))
            _wait_until_done_or_blocked(crew, changing[0])

        database = InterruptedDatabase(crew.url, place, begin_change)
        crew.notify_on(database, [crew.request(ada)])
        # Without a digest there is one less.
        assert database.sent == STATEMENTS + (place > 1), "the commit is a message of its own"
        if place == database.sent:
            begin_change()
        changing[0].result(30)
    other.close()
    database.close()
    crew.tick()
    assert (crew.got(), [state for state, _ in crew.states(ada)]) == (1, ["sent"])


def _wait_until_done_or_blocked(crew: Crew, changing: Future[list[Row]]) -> None:
    for _ in range(2_000):
        blocked = crew.rows(
            """select from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock' and state = 'active'"""
        )
        if changing.done() or blocked:
            return
        time.sleep(0.01)
    raise AssertionError("the change neither ends nor waits")


# --- changes of the category itself -----------------------------------------------------------------------------------


def weekly_in(crew: Crew, category: str, person: UUID) -> None:
    crew.prefer(person, category, frequency="weekly_digest")


def test_a_notification_that_moves_to_another_category_is_asked_again_under_that_one(crew: Crew) -> None:
    ada = crew.person()
    weekly_in(crew, "assignment", ada)
    crew.announce(ada)
    assert crew.states(ada) == [("digest", "weekly_digest")]
    crew.rows("update notifications set category = 'deal'")
    crew.tick()
    assert crew.got() == 1
    assert {row["category"] for row in crew.deliveries(ada)} == {"deal"}


def test_a_group_that_moves_to_the_category_of_its_newest_event_is_asked_again_under_that_one(crew: Crew) -> None:
    ada = crew.person()
    weekly_in(crew, "assignment", ada)
    crew.announce(ada, group_key="g")
    deal = {"slug": "deal_closed_won", "variables": {"deal": {"name": "Big", "value": "100"}}}
    crew.announce(ada, group_key="g", **deal)
    crew.tick()
    assert (crew.got(), crew.states(ada)[0][0]) == (1, "sent")


def test_what_waits_follows_its_template_to_another_category_and_nobody_elses(crew: Crew) -> None:
    crew.rows(
        """insert into notification_templates
               (org_id, name, slug, category, title_template, message_template, default_channels,
                email_subject_template, email_body_text_template)
           values (:org, 'Own', 'own', 'assignment', 'Hello', 'You', '["in_app", "email"]', 'Hello', 'You')""",
        org=crew.org,
    )
    ada, bob = crew.person("ada"), crew.person("bob")
    for person in (ada, bob):
        weekly_in(crew, "assignment", person)
    crew.announce(ada, slug="own", variables={})
    crew.announce(bob)
    other = uuid4()
    crew.rows("insert into organizations (id, name) values (:id, 'Other')", id=other)
    crew.rows("update notification_templates set category = 'deal' where slug = 'own'")
    crew.tick()
    assert (crew.got("ada"), crew.got("bob")) == (1, 0)
    assert crew.states(bob) == [("digest", "weekly_digest")]


def test_a_critical_category_frees_also_what_waits_by_a_preference_of_ones_own(crew: Crew) -> None:
    ada = crew.person()
    weekly_in(crew, "assignment", ada)
    crew.announce(ada)
    crew.rows("insert into notification_categories (org_id, category) values (:org, 'assignment')", org=crew.org)
    assert crew.states(ada) == [("digest", "weekly_digest")]
    crew.rows("update notification_categories set is_critical = true")
    crew.tick()
    assert crew.got() == 1
