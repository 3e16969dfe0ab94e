"""What the integrity check finds of notifications, and what notification_cron mends by itself every hour."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from crm_relay.integrity.look import look_at_notifications
from crm_relay.integrity.models import Inspection
from crm_relay.integrity.store import contradicting_notifications
from crm_relay.notifications.models import Channel
from crm_relay.notifications.tidy_up import mend_left_behind
from crm_relay.platform.clock import Deadline
from tests.support.notifications.notification_harness import NotificationHarness

Crew = NotificationHarness


def found(crew: Crew) -> list[str]:
    """What is wrong, an hour and more after it happened."""
    rows = contradicting_notifications(crew.db, settled_before=crew.now - timedelta(hours=1), limit=100)
    return [row["what"] for row in rows]


def lived(crew: Crew) -> None:
    """A mail, a digest that has left and one that is open, something held and something that was skipped."""
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.prefer(bob, frequency="hourly_digest")
    for _ in range(2):
        crew.announce(ada, bob)
    crew.announce(crew.person(email=None))
    crew.tick()
    crew.wait(hours=1)
    crew.tick()
    crew.announce(ada, bob)
    crew.tick()
    crew.wait(hours=2)


def test_a_sound_life_has_no_contradiction(crew: Crew) -> None:
    lived(crew)
    assert found(crew) == []
    assert mend_left_behind(crew.db, crew.now) == 0


DIGEST = "(select id from notification_digests where state = 'sent' limit 1)"
MAILED = (
    "select id from notification_deliveries where channel = 'email' and state = 'sent' and digest_id is null limit 1"
)
SKIPPED = "select notification_id from notification_deliveries where channel = 'email' and state = 'skipped' limit 1"
MEMBER = f"select id from notification_deliveries where digest_id = {DIGEST} limit 1"
FAULTS = {
    "its mail is settled, and it is not": f"update notification_deliveries set state = 'queued' where id = ({MAILED})",
    "a member of a digest that is closed": "update notification_deliveries set state = 'digest', not_before = now() "
    f"where id = ({MEMBER})",
    "more members than lines": f"update notification_digests set lines = 1 where id = {DIGEST}",
    "the notification shows another state": f"update notifications set delivery_status = '{{}}' where id = ({SKIPPED})",
    "a notification without a delivery": f"delete from notification_deliveries where notification_id = ({SKIPPED})",
}


@pytest.mark.parametrize("what", FAULTS)
def test_every_contradiction_is_found(crew: Crew, what: str) -> None:
    lived(crew)
    crew.rows(FAULTS[what])
    assert what in found(crew)


@pytest.mark.parametrize(
    ("what", "check"),
    [
        ("its mail is settled, and it is not", lambda crew: crew.states().count(("sent", None)) == 3),
        ("a member of a digest that is closed", lambda crew: crew.rows(
            "select from notification_deliveries where state = 'waiting' and reason = 'left_digest'"
        ) != []),
    ],
)  # fmt: skip
def test_what_was_left_behind_is_mended(crew: Crew, what: str, check: Callable[[Crew], bool]) -> None:
    lived(crew)
    crew.rows(FAULTS[what])
    mend_left_behind(crew.db, crew.now)
    assert what not in found(crew)
    assert check(crew)


def test_an_unclear_mail_that_an_operator_settles_settles_its_notification(crew: Crew) -> None:
    crew.announce(crew.person())
    crew.tick()
    crew.rows("update notification_deliveries set state = 'unknown' where channel = 'email'")
    crew.wait(hours=2)
    assert mend_left_behind(crew.db, crew.now) == 1
    assert crew.states() == [("sent", None)]


# --- unread counts ----------------------------------------------------------------------------------------------------

_MISCOUNTS = """create or replace function unread_notification_count(in_category text default null) returns integer
    language sql stable security definer set search_path = public, pg_temp
    as $$ select (count(*) + {more})::integer from notifications where user_id = current_user_id() and {where} $$"""


def miscounted(crew: Crew) -> list[tuple[str, str]]:
    """Who is shown another number, and which ones."""
    inspection = Inspection(crew.db, None, crew.clock, Deadline.after(60), lambda: False)  # type: ignore[arg-type]
    looked = look_at_notifications(inspection)
    return [(each.row_id, str(dict(each.details))) for each in looked.findings if each.entity == "user_profiles"]


def test_equal_counts_are_no_finding(crew: Crew) -> None:
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.announce(ada, bob)
    crew.announce(bob, expires_at=crew.now - timedelta(days=1))
    crew.rows("update notifications set read_at = now() where user_id = :ada", ada=ada)
    assert miscounted(crew) == []


@pytest.mark.parametrize(("more", "where"), [("1", "read_at is null"), ("0", "true"), ("0", "false")])
def test_a_count_that_differs_from_its_rows_is_found(crew: Crew, more: str, where: str) -> None:
    ada, bob = crew.person("ada"), crew.person("bob")
    crew.announce(ada, bob)
    crew.announce(ada)
    crew.rows("update notifications set read_at = now() where user_id = :ada", ada=ada)
    crew.rows(_MISCOUNTS.format(more=more, where=where))
    shown = {who for who, _ in miscounted(crew)}
    expected = {"read_at is null": {ada, bob}, "true": {ada}, "false": {bob}}[where]
    assert shown == {str(person) for person in expected}


def test_a_delivery_that_missed_the_end_of_the_message_that_it_shares_is_found_and_mended(crew: Crew) -> None:
    crew.webhook("https://hooks.slack.com/services/shared")
    people = [crew.person("ada"), crew.person("bob")]
    for person in people:
        crew.prefer(person, channels=["slack"])
    crew.announce(*people, channels=(Channel.SLACK,))
    crew.tick()
    crew.rows("update notification_deliveries set state = 'queued', not_before = null where reason = 'same_channel'")
    crew.wait(hours=2)
    assert "the message that it shares has ended, and it has not" in found(crew)
    mend_left_behind(crew.db, crew.now)
    assert found(crew) == []
