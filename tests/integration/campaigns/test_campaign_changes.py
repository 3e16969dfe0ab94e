"""What an operator changes for good: edits, cancellations, archives; who did it stands in the history."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.lifecycle.change_campaign import activate, create, pause, resume
from crm_relay.campaigns.lifecycle.edit_campaign import edit, present_definition
from crm_relay.campaigns.lifecycle.end_campaign import archive, cancel, cancel_enrollment
from crm_relay.campaigns.lifecycle.enroll import enroll
from crm_relay.campaigns.lifecycle.funnels import list_campaigns, show_campaign
from crm_relay.platform.errors import RejectedInput
from tests.support.campaigns.campaign_files import file, mail
from tests.support.campaigns.campaign_harness import CampaignHarness
from tests.support.platform.rows import one, rows_of

TASK = {"channel": "task", "task": {"title": "Ring them"}}
SECOND = mail(subject="Second", delay={"days": 1})


def made(campaigns: CampaignHarness, *steps: dict[str, Any], people: int = 0, **more: Any) -> UUID:
    campaign = create(campaigns.db, file(*steps, **more), campaigns.now).id
    contacts = [campaigns.contact() for _ in range(people)]
    enroll(campaigns.db, campaign, campaigns.now, contacts=contacts)
    return campaign


def running(campaigns: CampaignHarness, *steps: dict[str, Any], people: int = 2, **more: Any) -> UUID:
    campaign = made(campaigns, *steps, people=people, **more)
    activate(campaigns.db, campaign, campaigns.now)
    return campaign


def sequences(campaigns: CampaignHarness, campaign: UUID) -> list[UUID]:
    sql = "select id from campaign_sequences where campaign_id = :id order by step_number"
    return [row["id"] for row in rows_of(campaigns.db, sql, id=campaign)]


def subjects(campaigns: CampaignHarness) -> list[str]:
    return sorted(str(each.payload["subject"]) for each in campaigns.sim.mails)


# --- edit -----------------------------------------------------------------------------------------------------------


def test_a_definition_comes_back_as_it_was_given(campaigns: CampaignHarness) -> None:
    step = mail(
        delay={"days": 2},
        variants=[{"id": "a"}, {"id": "b", "subject": "Other"}],
        ab_test={"metric": "opened", "base_rate": 0.1, "effect": 0.05},
        skip_conditions=[{"field": "contact.title", "operator": "is_null"}],
    )
    campaign = made(campaigns, step, TASK, window={"days": ["mon"], "start": "08:30", "end": "12:00"}, topic="news")

    present = present_definition(campaigns.db, campaign)

    assert edit(campaigns.db, campaign, present, campaigns.now).changed == []
    assert (present["window"]["start"], present["topic"], len(present["steps"])) == ("08:30", "news", 2)


def test_an_edit_of_a_running_campaign_says_the_new_words_to_whom_they_are_still_said_and_nothing_twice(
    campaigns: CampaignHarness,
) -> None:
    campaign = running(campaigns, mail(subject="First"), SECOND)
    before = sequences(campaigns, campaign)
    campaigns.tick()
    assert subjects(campaigns) == ["First", "First"]

    steps = [mail(subject="First, mended"), mail(subject="Second, mended", delay={"days": 1}), SECOND]
    changed = edit(campaigns.db, campaign, {"steps": steps}, campaigns.now, who="robot")
    for _ in range(6):
        campaigns.wait(days=1)
        campaigns.tick()

    assert changed.changed == ["steps.0.subject", "steps.1.subject", "steps.2"]
    assert subjects(campaigns) == ["First"] * 2 + ["Second"] * 2 + ["Second, mended"] * 2
    assert sequences(campaigns, campaign)[:2] == before
    (line,) = [each for each in show_campaign(campaigns.db, campaign, campaigns.now).history if each.change == "edited"]
    assert line.by == "robot"
    assert line.about is not None
    assert line.about["changed"]["steps.1.subject"] == {"before": "Second", "after": "Second, mended"}
    assert all(step.holds for step in show_campaign(campaigns.db, campaign, campaigns.now).steps)


def test_a_new_window_holds_for_steps_that_are_due_already(campaigns: CampaignHarness) -> None:
    campaign = running(campaigns, mail(subject="First"))

    edit(campaigns.db, campaign, {"window": {"days": ["fri"], "start": "09:00", "end": "10:00"}}, campaigns.now)
    campaigns.tick()

    assert subjects(campaigns) == []
    campaigns.wait(days=3)
    campaigns.tick()
    row = one(campaigns.db, "select min(sent_at) as at from email_sends")
    assert row["at"] is None or row["at"].strftime("%a %H") == "Fri 14"


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        ([mail()], "steps"),
        ([TASK, SECOND], "steps.0.channel"),
        ([mail(variants=[{"id": "a"}, {"id": "b", "subject": "B"}]), SECOND], "steps.0.variants"),
    ],
)
def test_people_on_their_way_lose_no_step_and_are_not_divided_again(
    campaigns: CampaignHarness, steps: list[dict[str, Any]], path: str
) -> None:
    campaign = running(campaigns, mail(), SECOND)
    campaigns.tick()
    before = present_definition(campaigns.db, campaign)

    with pytest.raises(RejectedInput) as refused:
        edit(campaigns.db, campaign, {"steps": steps}, campaigns.now)

    assert refused.value.status == 409
    assert [detail.partition(":")[0] for detail in refused.value.details] == [path]
    assert present_definition(campaigns.db, campaign) == before


def test_a_draft_may_become_anything_that_could_be_created(campaigns: CampaignHarness) -> None:
    campaign = made(campaigns, mail(), TASK)

    edit(campaigns.db, campaign, {"name": "Autumn", "steps": [TASK], "identity": None}, campaigns.now)

    present = present_definition(campaigns.db, campaign)
    assert (present["name"], [step["channel"] for step in present["steps"]]) == ("Autumn", ["task"])


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"window": {"days": [], "start": "09:00", "end": "10:00"}}, "window.days"),
        ({"steps": [mail(subject="{{contact.shoe_size}}")]}, "steps.0.subject"),
        ({"steps": [mail(active=False)]}, "steps"),
        ({"stepz": []}, "stepz"),
    ],
)
def test_an_edit_is_checked_like_a_new_campaign(
    campaigns: CampaignHarness, changes: dict[str, Any], detail: str
) -> None:
    campaign = running(campaigns, mail())

    with pytest.raises(RejectedInput) as refused:
        edit(campaigns.db, campaign, changes, campaigns.now)

    assert refused.value.status == 422
    assert detail in {each.partition(":")[0] for each in refused.value.details}


def test_a_name_that_another_campaign_has_is_refused(campaigns: CampaignHarness) -> None:
    made(campaigns, name="Autumn")
    campaign = made(campaigns)

    with pytest.raises(RejectedInput, match="of that name"):
        edit(campaigns.db, campaign, {"name": "Autumn"}, campaigns.now)


# --- cancel ---------------------------------------------------------------------------------------------------------


def test_a_cancelled_campaign_sends_nothing_more_and_takes_back_what_waits(campaigns: CampaignHarness) -> None:
    campaign = running(campaigns, mail(subject="First"), SECOND, people=3)
    campaigns.sim.fault("429")
    campaigns.tick()
    assert one(campaigns.db, "select count(*) as n from email_sends where status = 'queued'") == {"n": 3}

    ended = cancel(campaigns.db, campaign, campaigns.now, who="robot")
    for _ in range(3):
        campaigns.wait(days=1)
        campaigns.tick()

    assert (ended.status, ended.changed, ended.stopped) == ("cancelled", True, 3)
    assert subjects(campaigns) == []
    shown = show_campaign(campaigns.db, campaign, campaigns.now)
    assert (shown.campaign.status, shown.campaign.total_active, shown.people) == ("cancelled", 0, {"stopped": 3})
    (line,) = [each for each in shown.history if each.change == "cancelled"]
    assert (line.by, line.about) == ("robot", {"before": "active", "after": "cancelled", "stopped": 3})
    assert all(step.holds and not step.pending for step in shown.steps)
    assert {row["reason"] for row in rows_of(campaigns.db, "select reason from email_sends")} == {"cancelled"}


def test_a_cancelled_campaign_stays_cancelled(campaigns: CampaignHarness) -> None:
    campaign = running(campaigns)
    cancel(campaigns.db, campaign, campaigns.now)

    assert cancel(campaigns.db, campaign, campaigns.now).changed is False
    for verb in (activate, pause, resume):
        with pytest.raises(RejectedInput, match="cancelled"):
            verb(campaigns.db, campaign, campaigns.now)
    with pytest.raises(RejectedInput, match="cancelled"):
        edit(campaigns.db, campaign, {"name": "Autumn"}, campaigns.now)
    with pytest.raises(RejectedInput, match="nobody in"):
        enroll(campaigns.db, campaign, campaigns.now, contacts=[campaigns.contact()])


def test_one_person_is_taken_out_and_the_others_go_on(campaigns: CampaignHarness) -> None:
    running(campaigns, mail(subject="First"), SECOND, people=2)
    person = one(campaigns.db, "select id from campaign_enrollments order by id limit 1")["id"]

    ended = cancel_enrollment(campaigns.db, person, campaigns.now, who="robot")
    campaigns.tick()

    assert (ended.status, ended.stopped) == ("stopped", 1)
    assert subjects(campaigns) == ["First"]
    assert cancel_enrollment(campaigns.db, person, campaigns.now).changed is False
    line = one(
        campaigns.db,
        """select change_type, metadata from entity_history
           where entity_type = 'campaign_enrollment' and entity_id = :id""",
        id=person,
    )
    assert line == {
        "change_type": "cancelled",
        "metadata": {"by": "robot", "before": "active", "after": "stopped"},
    }


# --- archive --------------------------------------------------------------------------------------------------------


def test_a_campaign_is_archived_once_nobody_is_on_their_way(campaigns: CampaignHarness) -> None:
    campaign = running(campaigns, people=2)
    with pytest.raises(RejectedInput, match="cancelled before") as refused:
        archive(campaigns.db, campaign, campaigns.now)
    assert list(refused.value.details) == ["people: 2 are on their way"]
    campaigns.tick()
    campaigns.wait(days=1)
    campaigns.tick()

    assert archive(campaigns.db, campaign, campaigns.now, who="robot").changed
    assert archive(campaigns.db, campaign, campaigns.now).changed is False

    assert list_campaigns(campaigns.db) == []
    assert [each.id for each in list_campaigns(campaigns.db, status="archived")] == [campaign]
    shown = show_campaign(campaigns.db, campaign, campaigns.now)
    assert (shown.campaign.status, shown.campaign.total_sent) == ("archived", 2)
    assert (shown.history[0].change, shown.history[0].by) == ("archived", "robot")


@pytest.mark.parametrize("verb", [cancel, archive])
def test_a_campaign_of_another_source_is_left_alone(campaigns: CampaignHarness, verb: Any) -> None:
    campaign = campaigns.campaign(source="bison")

    with pytest.raises(RejectedInput, match="only native"):
        verb(campaigns.db, campaign, campaigns.now + timedelta(days=1))
