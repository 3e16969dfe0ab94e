"""What is done about campaigns besides their steps: tests are judged, logs archived, people erased and explained."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_relay.campaigns.ab.judge_variants import judge_variants
from crm_relay.campaigns.engine.settle import settle
from crm_relay.campaigns.erase import count_enrolled, erase_enrolled
from crm_relay.campaigns.models import ENROLLMENT
from crm_relay.campaigns.watch.archive import archive_lines
from crm_relay.campaigns.why import enrollments_of
from crm_relay.consent.person import Person
from crm_relay.mail.erase import count_mail, erase_mail
from crm_relay.mail.models import Fate, Settled
from crm_relay.platform.clock import Deadline
from tests.support.campaigns.campaign_harness import CampaignHarness, email, step
from tests.support.platform.rows import one, rows_of

DAY = timedelta(days=1)
TEST = {"metric": "opened", "base_rate": 0.2, "effect": 0.4, "alpha": 0.05, "power": 0.8, "wait_hours": 24}
VARIANTS = [{"id": name, "weight": 1, "subject": f"Variant {name}"} for name in ("a", "b")]


def under_test(campaigns: CampaignHarness, **more: Any) -> UUID:
    """The id of a step under test."""
    campaign = campaigns.campaign()
    return campaigns.add_step(campaign, email(1, ab_variants=VARIANTS, ab_test={**TEST, **more}))


def plant_sends(campaigns: CampaignHarness, step_id: UUID, variant: str, number: int, **share: float) -> None:
    """Mails that were sent two days ago; `opened`, `late`, `scanned`: by which share."""
    rows_of(
        campaigns.db,
        """insert into email_sends
               (send_key, sequence_id, ab_variant, status, sent_at, queued_at, opened_at, first_human_open_at)
           select
               :variant || ':' || n || ':' || :step, :step, :variant, 'delivered', sent_at, sent_at,
               case when n <= (:opened + :late + :scanned) * :number then sent_at end,
               case
                   when n <= :opened * :number then sent_at + interval '1 hour'
                   when n <= (:opened + :late) * :number then sent_at + interval '25 hours'
               end
           from generate_series(1, :number) n
           cross join (select cast(:now as timestamptz) - interval '2 days' as sent_at) moment""",
        step=step_id,
        variant=variant,
        number=number,
        now=campaigns.now,
        **{"opened": 0.0, "late": 0.0, "scanned": 0.0, **share},
    )


def verdict_of(campaigns: CampaignHarness, step_id: UUID) -> tuple[str | None, dict[str, Any] | None]:
    row = one(campaigns.db, "select ab_winner, ab_verdict from campaign_sequences where id = :id", id=step_id)
    return row["ab_winner"], row["ab_verdict"]


def test_c6_the_better_variant_wins_at_one_look_with_its_figures(campaigns: CampaignHarness) -> None:
    step_id = under_test(campaigns)
    plant_sends(campaigns, step_id, "a", 40, opened=0.2)
    plant_sends(campaigns, step_id, "b", 40, opened=0.7)
    (judged,) = judge_variants(campaigns.db, campaigns.now)
    assert (judged.step_id, judged.winner, judged.reason) == (step_id, "b", "winner")
    winner, verdict = verdict_of(campaigns, step_id)
    assert winner == "b"
    assert verdict is not None
    assert verdict["arms"] == {"a": {"recipients": 40, "conversions": 8}, "b": {"recipients": 40, "conversions": 28}}
    # Whatever comes later: nobody looks again.
    plant_sends(campaigns, step_id, "c", 1)
    plant_sends(campaigns, under_test(campaigns), "a", 1)
    assert judge_variants(campaigns.db, campaigns.now) == []


def test_c6_that_nobody_won_is_a_result(campaigns: CampaignHarness) -> None:
    step_id = under_test(campaigns)
    for variant in ("a", "b"):
        plant_sends(campaigns, step_id, variant, 40, opened=0.3)
    judge_variants(campaigns.db, campaigns.now)
    winner, verdict = verdict_of(campaigns, step_id)
    assert winner is None
    assert verdict is not None
    assert verdict["reason"] == "no_winner"


def test_c6_a_test_that_is_too_young_or_too_small_goes_on(campaigns: CampaignHarness) -> None:
    small, young = under_test(campaigns), under_test(campaigns, wait_hours=72)
    plant_sends(campaigns, small, "a", 5, opened=0.2)
    plant_sends(campaigns, small, "b", 5, opened=1.0)
    plant_sends(campaigns, young, "a", 40, opened=0.2)
    plant_sends(campaigns, young, "b", 40, opened=0.7)
    assert judge_variants(campaigns.db, campaigns.now) == []
    assert verdict_of(campaigns, small) == verdict_of(campaigns, young) == (None, None)
    campaigns.wait(days=1)
    assert [judged.step_id for judged in judge_variants(campaigns.db, campaigns.now)] == [young]


def test_c6_what_scanners_did_and_what_came_too_late_decides_nothing(campaigns: CampaignHarness) -> None:
    step_id = under_test(campaigns)
    plant_sends(campaigns, step_id, "a", 40, opened=0.3)
    plant_sends(campaigns, step_id, "b", 40, opened=0.3, scanned=0.3, late=0.3)
    judge_variants(campaigns.db, campaigns.now)
    _, verdict = verdict_of(campaigns, step_id)
    assert verdict is not None
    assert verdict["arms"]["b"] == {"recipients": 40, "conversions": 12}
    assert verdict["reason"] == "no_winner"


def test_c6_replies_count_once_a_person_and_without_automatic_ones(campaigns: CampaignHarness) -> None:
    step_id = under_test(campaigns, metric="replied")
    for variant, replying in (("a", 2), ("b", 30)):
        plant_sends(campaigns, step_id, variant, 40)
        rows_of(
            campaigns.db,
            """with mail as (
                   update email_sends set enrollment_id = gen_random_uuid() where ab_variant = :variant
                   returning enrollment_id, sent_at
               ), numbered as (select *, row_number() over () as n from mail)
               insert into inbox_items (source, external_id, enrollment_id, received_at, is_auto_reply)
               select 'resend', enrollment_id || ':' || k, enrollment_id, sent_at + interval '1 hour', n > :replying
               from numbered, generate_series(1, 2) k""",
            variant=variant,
            replying=replying,
        )
    judge_variants(campaigns.db, campaigns.now)
    winner, verdict = verdict_of(campaigns, step_id)
    assert winner == "b"
    assert verdict is not None
    assert [verdict["arms"][name]["conversions"] for name in "ab"] == [2, 30]


@pytest.mark.parametrize("named", ["in_reply_to", "reference_ids", "to_addresses"])
def test_a_reply_counts_for_the_mail_that_it_answers_and_for_no_other_step(
    campaigns: CampaignHarness, named: str
) -> None:
    step_id, other = under_test(campaigns, metric="replied"), campaigns.add_step(campaigns.campaign(), email(1))
    for variant in "ab":
        plant_sends(campaigns, step_id, variant, 40)
        plant_sends(campaigns, other, variant, 40)
    # Everybody who got b answered, but the other step's mail.
    rows_of(
        campaigns.db,
        """with numbered as (
               select id, row_number() over (partition by sequence_id order by ab_variant, id) as n from email_sends
           ), made as (
               update email_sends mail
               set enrollment_id = md5('person' || n)::uuid, message_id = '<' || mail.id || '@mail>',
                   reply_token = md5(mail.id::text)
               from numbered
               where numbered.id = mail.id
               returning mail.*
           )
           insert into inbox_items
               (source, external_id, enrollment_id, received_at, in_reply_to, reference_ids, to_addresses)
           select 'resend', id::text, enrollment_id, sent_at + interval '1 hour',
               case when :named = 'in_reply_to' then message_id end,
               case when :named = 'reference_ids' then array['<first@mail>', btrim(message_id, '<>')] else '{}' end,
               case when :named = 'to_addresses' then array['Reply+' || reply_token || '@in.example.com'] else '{}' end
           from made
           where sequence_id = :other and ab_variant = 'b'""",
        named=named,
        other=other,
    )
    judge_variants(campaigns.db, campaigns.now)
    _, verdict = verdict_of(campaigns, step_id)
    assert verdict is not None
    assert [verdict["arms"][name]["conversions"] for name in "ab"] == [0, 0]


def test_a_test_that_waits_for_no_time_is_judged_after_an_hour_at_the_earliest(campaigns: CampaignHarness) -> None:
    step_id = under_test(campaigns, wait_hours=0)
    plant_sends(campaigns, step_id, "a", 40)
    plant_sends(campaigns, step_id, "b", 40)
    rows_of(campaigns.db, "update email_sends set sent_at = :at", at=campaigns.now - timedelta(minutes=59))
    assert judge_variants(campaigns.db, campaigns.now) == []
    campaigns.wait(minutes=1)
    assert [judged.step_id for judged in judge_variants(campaigns.db, campaigns.now)] == [step_id]


@pytest.mark.parametrize("broken", [{"base_rate": "high"}, {"base_rate": 2}, {"wait_hours": "long", "base_rate": None}])
def test_c6_a_test_that_cannot_be_read_holds_up_no_other(campaigns: CampaignHarness, broken: dict[str, Any]) -> None:
    under_test(campaigns, **broken)
    sound = under_test(campaigns)
    plant_sends(campaigns, sound, "a", 40, opened=0.2)
    plant_sends(campaigns, sound, "b", 40, opened=0.7)
    assert [judged.step_id for judged in judge_variants(campaigns.db, campaigns.now)] == [sound]


def test_c11_after_90_days_the_log_is_archived_and_the_account_still_balances(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), email(2, delay_days=1))
    done, running = campaigns.enroll(campaign), campaigns.enroll(campaign)
    campaigns.tick()
    campaigns.wait(days=1)
    campaigns.tick()
    rows_of(campaigns.db, "update campaign_enrollments set status = 'active' where id = :id", id=running)
    campaigns.wait(days=89)
    assert archive_lines(campaigns.db, campaigns.now, Deadline.after(60)) == 0
    campaigns.wait(days=2)
    assert archive_lines(campaigns.db, campaigns.now, Deadline.after(60)) == 2
    assert archive_lines(campaigns.db, campaigns.now, Deadline.after(60)) == 0
    assert campaigns.lines(done) == []
    assert len(campaigns.lines(running)) == 2
    archived = rows_of(campaigns.db, "select enrollment_id, status, archived_at from campaign_sequence_logs_archive")
    assert [(row["enrollment_id"], row["status"]) for row in archived] == [(done, "sent")] * 2
    campaigns.assert_accounts()
    rows_of(campaigns.db, "update campaign_enrollments set status = 'completed' where id = :id", id=running)


def test_who_is_erased_is_in_no_campaign_and_is_still_counted(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1), email(2, delay_days=1))
    person = campaigns.enroll(campaign, campaigns.contact("a@example.com", phone="+1 555 010 0001"))
    campaigns.tick()
    rows_of(
        campaigns.db,
        """insert into sms_sends (org_id, send_key, to_number, body, not_before, queued_at)
           values (:org, 'x', '+15550100001', 'Hello', :now, :now)""",
        org=campaigns.org,
        now=campaigns.now,
    )
    erased = Person(addresses=frozenset({"a@example.com"}), phones=frozenset({"+1 555 010 0001"}))
    counted = count_enrolled(campaigns.db, erased)
    texts = count_mail(campaigns.db, erased)
    assert counted == erase_enrolled(campaigns.db, erased, campaigns.now) == {"campaign_enrollments": 1}
    assert texts["sms_sends"] == 1
    assert erase_mail(campaigns.db, erased, campaigns.now) == texts
    row = campaigns.enrollment(person)
    assert (row["status"], row["stopped_reason"], row["address"], row["next_step_at"]) == (
        "unsubscribed",
        "erased",
        None,
        None,
    )
    assert campaigns.lines(person) == [(1, "sent", None)]
    text = one(campaigns.db, "select to_number, body from sms_sends")
    assert (text["to_number"], text["body"]) == (None, None)
    assert erase_enrolled(campaigns.db, Person(addresses=frozenset({"b@example.com"})), campaigns.now) == {
        "campaign_enrollments": 0
    }


def test_why_tells_where_somebody_stands_and_what_happened_at_each_step(campaigns: CampaignHarness) -> None:
    skipped = {"field": "contact.first_name", "operator": "is_not_null"}
    campaign = campaigns.campaign(email(1, skip_conditions=[skipped]), step("wait", 2), email(3, delay_days=1))
    campaigns.enroll(campaign, campaigns.contact("a@example.com"))
    campaigns.tick()
    (enrolled,) = enrollments_of(campaigns.db, Person(addresses=frozenset({"a@example.com"})), campaigns.now).enrolled
    assert (enrolled["campaign"], enrolled["status"], enrolled["current_step"]) == ("Spring", "active", 2)
    assert enrolled["next_step_at"] == campaigns.now + DAY
    assert [(each["step"], each["status"]) for each in enrolled["steps"]] == [(1, "skipped"), (2, "sent")]
    assert "contact.first_name" in enrolled["steps"][0]["reason"]
    assert enrollments_of(campaigns.db, Person(addresses=frozenset({"b@example.com"})), campaigns.now).enrolled == []


def test_a_fate_that_is_told_twice_counts_once_and_what_was_unknown_may_turn_out_sent(
    campaigns: CampaignHarness,
) -> None:
    campaign = campaigns.campaign(email(1), email(2, delay_days=1))
    person = campaigns.enroll(campaign)
    campaigns.sim.fault("429", retry_after=600)
    campaigns.tick()
    send = one(campaigns.db, "select id, sequence_id from email_sends")

    def settle_as(fate: Fate, reason: str | None = None) -> tuple[tuple[int, str, str | None], int, int]:
        fate_of_it = Settled(send["id"], fate, reason, ENROLLMENT, person, send["sequence_id"])
        campaigns.db.transact(lambda tx: settle(tx, [fate_of_it], campaigns.now))
        row = campaigns.enrollment(person)
        return campaigns.lines(person)[0], row["emails_sent"], row["error_count"]

    assert settle_as(Fate.UNKNOWN) == ((1, "failed", "unknown"), 0, 0)
    assert settle_as(Fate.SENT) == ((1, "sent", None), 1, 0)
    assert settle_as(Fate.SENT) == ((1, "sent", None), 1, 0)
    assert settle_as(Fate.FAILED, "invalid") == ((1, "sent", None), 1, 0)


def test_three_mails_that_the_provider_refuses_pause_the_enrollment(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(*(email(number) for number in range(1, 5)), step("task", 5, delay_days=1))
    person = campaigns.enroll(campaign)
    for number in range(1, 4):
        rows_of(
            campaigns.db,
            """insert into campaign_sequence_logs
                   (org_id, campaign_id, enrollment_id, sequence_id, step_number, channel, status)
               select :org, :campaign, :person, id, step_number, channel, 'pending'
               from campaign_sequences where campaign_id = :campaign and step_number = :number""",
            org=campaigns.org,
            campaign=campaign,
            person=person,
            number=number,
        )
    rows_of(
        campaigns.db,
        "update campaign_sequences set reached = 1 where campaign_id = :id and step_number < 4",
        id=campaign,
    )
    steps = rows_of(campaigns.db, "select id from campaign_sequences where step_number < 4 order by step_number")
    refused = [Settled(row["id"], Fate.FAILED, "invalid", ENROLLMENT, person, row["id"]) for row in steps]
    campaigns.db.transact(lambda tx: settle(tx, refused[:2], campaigns.now))
    assert campaigns.enrollment(person)["status"] == "active"
    campaigns.db.transact(lambda tx: settle(tx, refused[2:], campaigns.now))
    row = campaigns.enrollment(person)
    assert (row["status"], row["error_count"], row["last_error"], row["next_step_at"]) == ("paused", 3, "invalid", None)
