"""Messages to Slack: begun once, posted once, one a second and channel, an event once in an organization's channel."""

from itertools import pairwise
from uuid import UUID

import pytest

from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.notifications.models import Channel, Priority
from crm_relay.notifications.tidy_up import mend_left_behind
from crm_relay.platform.errors import FatalError, NoAnswer, NotConnected, RateLimited, RejectedInput, ServerFailed
from tests.support.notifications.notification_harness import NotificationHarness

Crew = NotificationHarness
OWN, SHARED = "https://hooks.slack.com/services/own", "https://hooks.slack.com/services/shared"


def on_slack(crew: Crew, name: str = "ada", *, own: str | None = None, **columns: str) -> UUID:
    """Somebody who wants to hear there."""
    person = crew.person(name)
    crew.prefer(person, channels=["in_app", "slack"], **columns)
    if own is not None:
        crew.webhook(own, person)
    return person


def say(crew: Crew, *people: UUID, **details: object) -> None:
    crew.announce(*people, channels=(Channel.IN_APP, Channel.SLACK), **details)


def test_somebody_hears_in_their_own_channel(crew: Crew) -> None:
    ada = on_slack(crew, own=OWN)
    say(crew, ada, action_url="/tasks/1")
    crew.tick()
    assert crew.states(ada, "slack") == [("sent", None)]
    (text,) = crew.posted(OWN)
    assert text == "*<https://crm.example.com/tasks/1|New task assigned>*\nGrace assigned you: Call Ada"
    assert crew.tick().is_idle


def test_what_came_from_outside_is_no_link_and_no_mark_up(crew: Crew) -> None:
    ada = on_slack(crew, own=OWN)
    say(crew, ada, title="<!channel> a|b & c", message="<https://evil.example|here>", action_url="/x")
    crew.tick()
    assert crew.posted(OWN) == [
        "*<https://crm.example.com/x|&lt;!channel&gt; a¦b &amp; c>*\n&lt;https://evil.example|here&gt;"
    ]


def test_the_organizations_channel_shows_an_event_once_whoever_it_concerns(crew: Crew) -> None:
    crew.webhook(SHARED)
    people = [on_slack(crew, f"p{number}") for number in range(5)]
    say(crew, *people)
    crew.tick()
    assert len(crew.posted(SHARED)) == 1
    assert sorted(crew.states(channel="slack"), key=str) == [("sent", "same_channel")] * 4 + [("sent", None)]
    late = on_slack(crew, "late")
    event = crew.request(late, *people, channels=(Channel.SLACK,))
    crew.notify(event)
    crew.tick()
    assert len(crew.posted(SHARED)) == 2


def test_a_channel_of_ones_own_comes_before_the_organizations(crew: Crew) -> None:
    crew.webhook(SHARED)
    say(crew, on_slack(crew, own=OWN), on_slack(crew, "bob"))
    crew.tick()
    assert (len(crew.posted(OWN)), len(crew.posted(SHARED))) == (1, 1)


def test_one_message_a_second_and_channel(crew: Crew) -> None:
    ada, bob = on_slack(crew, own=OWN), on_slack(crew, "bob", own=f"{OWN}2")
    for _ in range(3):
        say(crew, ada, bob)
    crew.tick()
    for address in (OWN, f"{OWN}2"):
        times = [at for url, _, at in crew.posts if url == address]
        assert len(times) == 3
        assert all((later - before).total_seconds() >= 1 for before, later in pairwise(times))
    assert sum(crew.slept) < 4


def test_what_is_urgent_is_posted_first(crew: Crew) -> None:
    ada = on_slack(crew, own=OWN)
    say(crew, ada, title="Later")
    say(crew, ada, title="Now", priority=Priority.URGENT)
    crew.tick()
    assert [text.split("\n")[0] for text in crew.posted(OWN)] == ["*Now*", "*Later*"]


def test_a_rest_that_slack_asks_for_is_given(crew: Crew) -> None:
    ada = on_slack(crew, own=OWN)
    say(crew, ada)
    crew.slack_troubles = [RateLimited("slow down", 30.0)]
    crew.tick()
    assert (crew.posts, crew.states(ada, "slack")) == ([], [("queued", None)])
    crew.wait(seconds=29)
    crew.tick()
    assert crew.posts == []
    crew.wait(seconds=1)
    crew.tick()
    assert len(crew.posted(OWN)) == 1


def test_a_message_that_surely_did_not_arrive_is_sent_again(crew: Crew) -> None:
    ada = on_slack(crew, own=OWN)
    say(crew, ada)
    crew.slack_troubles = [NotConnected("no route")]
    crew.tick()
    crew.wait(minutes=1)
    crew.tick()
    assert (len(crew.posted(OWN)), crew.states(ada, "slack")) == (1, [("sent", None)])


@pytest.mark.parametrize("trouble", [NoAnswer("nothing"), ServerFailed("status 500")])
def test_a_message_of_which_nobody_knows_is_never_sent_again_but_shown(crew: Crew, trouble: Exception) -> None:
    ada = on_slack(crew, own=OWN)
    say(crew, ada)
    crew.slack_troubles = [trouble]
    crew.tick()
    crew.wait(hours=1)
    crew.tick()
    assert len(crew.posted(OWN)) == isinstance(trouble, NoAnswer)
    assert crew.states(ada, "slack") == [("unknown", "unclear")]
    assert crew.incidents() == {"notification_unknown"}


def test_a_webhook_that_is_gone_is_used_no_more(crew: Crew) -> None:
    crew.webhook(SHARED)
    ada = on_slack(crew, own=OWN)
    say(crew, ada)
    say(crew, ada)
    crew.slack_troubles = [FatalError("Slack: destination disabled, no_service")]
    crew.tick()
    crew.wait(minutes=1)
    crew.tick()
    assert [state for state, _ in crew.states(ada, "slack")] == ["failed", "failed"]
    assert crew.incidents() == {"notification_slack"}
    say(crew, ada)
    crew.tick()
    assert len(crew.posted(SHARED)) == 1


def test_an_event_that_a_channel_never_showed_is_shown_for_the_next_person(crew: Crew) -> None:
    hook = crew.webhook(SHARED)
    ada, bob = on_slack(crew), on_slack(crew, "bob")
    crew.prefer(bob, channels=["slack"], quiet_hours_enabled=True, quiet_hours_start="15:00", quiet_hours_end="18:00")
    say(crew, ada, bob)
    crew.slack_troubles = [FatalError("Slack: destination disabled, no_service")]
    crew.tick()
    assert crew.states(ada, "slack") == [("failed", "no_address")]
    crew.rows("update notification_slack_webhooks set disabled_at = null where id = :id", id=hook)
    crew.wait(hours=4)
    crew.tick()
    assert (crew.states(bob, "slack")[0][0], len(crew.posted(SHARED))) == ("sent", 1)


# --- one message for several people -----------------------------------------------------------------------------------


def five_of_one_channel(crew: Crew) -> list[UUID]:
    crew.webhook(SHARED)
    people = [on_slack(crew, f"p{number}") for number in range(5)]
    say(crew, *people)
    return people


@pytest.mark.parametrize(
    ("trouble", "outcome", "posted", "incidents"),
    [
        (RejectedInput("invalid_payload"), ("failed", "refused"), 0, set()),
        (FatalError("no_service"), ("failed", "no_address"), 0, {"notification_slack"}),
        (NoAnswer("nothing"), ("unknown", "unclear"), 1, {"notification_unknown"}),
        (ServerFailed("status 500"), ("unknown", "unclear"), 0, {"notification_unknown"}),
    ],
)
def test_everybody_who_shares_a_message_shares_what_becomes_of_it(
    crew: Crew, trouble: Exception, outcome: tuple[str, str], posted: int, incidents: set[str]
) -> None:
    five_of_one_channel(crew)
    crew.slack_troubles = [trouble]
    crew.tick()
    assert crew.states(channel="slack") == [outcome] * 5
    assert (len(crew.posted(SHARED)), crew.incidents()) == (posted, incidents)
    statuses = {row["status"] for row in crew.rows("select delivery_status ->> 'slack' as status from notifications")}
    assert statuses == {outcome[0]}


def test_a_message_that_is_sent_later_ends_for_all_who_share_it(crew: Crew) -> None:
    five_of_one_channel(crew)
    crew.slack_troubles = [RateLimited("slow down", 30.0), NotConnected("no route")]
    crew.tick()
    assert sorted(crew.states(channel="slack"), key=str) == [("queued", "same_channel")] * 4 + [("queued", None)]
    assert crew.tick().is_idle
    for _ in range(2):
        crew.wait(minutes=2)
        crew.tick()
    assert len(crew.posted(SHARED)) == 1
    assert sorted(crew.states(channel="slack"), key=str) == [("sent", "same_channel")] * 4 + [("sent", None)]


def carrier(crew: Crew) -> UUID:
    """The notification whose delivery has the message."""
    (row,) = crew.rows(
        "select notification_id as id from notification_deliveries where channel = 'slack' and content ? 'text'"
    )
    found: UUID = row["id"]
    return found


def test_a_message_whose_delivery_is_removed_before_it_is_begun_is_carried_by_another(crew: Crew) -> None:
    five_of_one_channel(crew)
    crew.slack_troubles = [RateLimited("slow down", 30.0)]
    crew.tick()
    crew.rows("delete from notifications where id = :id", id=carrier(crew))
    assert mend_left_behind(crew.db, crew.now) == 0
    crew.tick()
    crew.wait(minutes=2)
    crew.tick()
    assert len(crew.posted(SHARED)) == 1
    assert (
        sorted(crew.states(channel="slack"), key=str) == [("sent", "carrier_removed")] + [("sent", "same_channel")] * 3
    )


def test_a_message_whose_delivery_is_removed_in_the_middle_is_unknown_for_all_who_share_it(crew: Crew) -> None:
    five_of_one_channel(crew)
    crew.slack_troubles = [KeyboardInterrupt()]  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        crew.tick()
    crew.rows("delete from notifications where id = :id", id=carrier(crew))
    mend_left_behind(crew.db, crew.now)
    assert crew.states(channel="slack") == [("queued", "same_channel")] * 4
    crew.wait(minutes=3)
    mend_left_behind(crew.db, crew.now)
    assert crew.states(channel="slack") == [("unknown", "unclear")] * 4
    assert (crew.posts, crew.incidents()) == ([], {"notification_unknown"})


@pytest.mark.parametrize("trouble", [None, NoAnswer("nothing")])
def test_somebody_who_was_held_shares_a_message_also_when_its_carriers_group_has_moved_on(
    crew: Crew, trouble: Exception | None
) -> None:
    crew.webhook(SHARED)
    ada, bob = on_slack(crew), on_slack(crew, "bob")
    crew.prefer(bob, channels=["slack"], quiet_hours_enabled=True, quiet_hours_start="15:00", quiet_hours_end="18:00")
    crew.slack_troubles = [] if trouble is None else [trouble]
    say(crew, ada, bob, group_key="g")
    crew.tick()
    crew.wait(hours=2)
    say(crew, ada, group_key="g")
    crew.tick()
    assert len(crew.posted(SHARED)) == 2
    crew.wait(hours=2)
    crew.tick()
    assert len(crew.posted(SHARED)) == 2
    assert crew.states(bob, "slack") == [("sent", "same_channel") if trouble is None else ("unknown", "unclear")]


def test_a_message_that_slack_refuses_fails_alone(crew: Crew) -> None:
    ada = on_slack(crew, own=OWN)
    say(crew, ada)
    say(crew, ada)
    crew.slack_troubles = [RejectedInput("Slack refuses the message: invalid_payload")]
    crew.tick()
    assert sorted(state for state, _ in crew.states(ada, "slack")) == ["failed", "sent"]


def test_a_worker_that_dies_in_the_middle_leaves_an_unknown_message(crew: Crew) -> None:
    ada = on_slack(crew, own=OWN)
    say(crew, ada)
    crew.slack_troubles = [KeyboardInterrupt()]  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        crew.tick()
    assert crew.states(ada, "slack") == [("sending", None)]
    assert crew.tick().is_idle
    crew.wait(minutes=2)
    crew.tick()
    assert (crew.posts, crew.states(ada, "slack")) == ([], [("unknown", "unclear")])
    assert crew.incidents() == {"notification_unknown"}


def test_a_digest_is_one_message_of_ones_own_channel(crew: Crew) -> None:
    ada = on_slack(crew, own=OWN, frequency="hourly_digest")
    for number in range(2):
        say(crew, ada, title=f"Task {number}")
    crew.wait(hours=1)
    crew.tick()
    (text,) = crew.posted(OWN)
    assert text.splitlines()[0] == "*2 notifications*"
    assert crew.states(ada, "slack") == [("sent", "hourly_digest")] * 2
    assert crew.rows("select state, lines, content from notification_digests") == [
        {"state": "sent", "lines": 2, "content": None}
    ]


def test_a_digest_of_one_person_does_not_belong_into_the_channel_of_all(crew: Crew) -> None:
    crew.webhook(SHARED)
    ada = on_slack(crew, frequency="daily_digest")
    say(crew, ada)
    assert crew.states(ada, "slack") == [("skipped", "no_digest")]


@pytest.mark.parametrize(("mode", "reason"), [(Mode.DRY_RUN, "dry_run"), (Mode.ALLOW_LIST, "not_on_allow_list")])
def test_nothing_is_posted_unless_the_installation_is_live(crew: Crew, mode: Mode, reason: str) -> None:
    crew.policy = SendPolicy(mode, frozenset({"@example.com"})).for_colleagues()
    ada, bob = on_slack(crew, own=OWN), on_slack(crew, "bob", own=f"{OWN}2", frequency="hourly_digest")
    say(crew, ada, bob)
    crew.tick()
    crew.wait(hours=1)
    crew.tick()
    assert crew.posts == []
    assert crew.states(channel="slack") == [("dry_run", reason)] * 2


def test_the_address_stands_in_no_text(crew: Crew) -> None:
    ada = on_slack(crew, own=OWN)
    say(crew, ada)
    crew.slack_troubles = [FatalError("Slack: destination disabled, no_service")]
    crew.tick()
    kept = crew.rows("select * from incidents") + crew.rows("select content, reason from notification_deliveries")
    assert "hooks.slack.com" not in str(kept)
