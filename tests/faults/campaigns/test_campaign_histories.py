"""Random histories of holds, faults, opt-outs, edits and clocks: nobody twice, lost or unwanted, and delays kept."""

import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from crm_relay.campaigns.engine.run_due_steps import EngineContext
from crm_relay.campaigns.watch.give_times import give_times
from crm_relay.mail.stops.stop_sending import resume_sending, stop_sending
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.resend.client import Resend
from tests.support.campaigns.campaign_harness import ALWAYS, LIVE, PUBLIC_URL, CampaignHarness, email, step
from tests.support.platform.rows import rows_of

DELAY = timedelta(hours=20)
PEOPLE = 6
FAULTS = ("500_before", "500_after", "cut_before", "cut_after", "garbled_after", "502_page", "400_page", "429")
WAITS = ({"minutes": 1}, {"minutes": 2}, {"minutes": 20}, {"hours": 1}, {"hours": 7}, {"hours": 26})


class CampaignHistory:
    """One history: what is done at random, and what nobody may ever see."""

    def __init__(self, campaigns: CampaignHarness, seed: int) -> None:
        self.harness = campaigns
        self.chance = random.Random(seed)
        self.left: dict[str, datetime] = {}
        self.is_stopped = False
        self.while_stopped = 0
        campaigns.limit(None)
        steps = [email(1), email(2, delay_hours=20), step("task", 3), email(4, delay_hours=20)]
        self.campaigns = [campaigns.campaign(*steps, name=name, **ALWAYS) for name in ("one", "two")]
        self.people = [
            campaigns.enroll(campaign, campaigns.contact(f"p{number}.{campaign.hex[:4]}@example.com"))
            for campaign in self.campaigns
            for number in range(PEOPLE)
        ]
        # One person is in both.
        shared = campaigns.contact("both@example.com")
        self.people += [campaigns.enroll(campaign, shared) for campaign in self.campaigns]

    def live(self, rounds: int) -> None:
        for _ in range(rounds):
            for _ in range(self.chance.randint(0, 2)):
                self.harness.sim.fault(self.chance.choice(FAULTS))
            for _ in range(self.chance.randint(0, 2)):
                self.chance.choice(
                    [self.opt_out, self.status, self.person, self.window, self.cap, self.limit, self.sender, self.brake]
                )()
            self.tick()
            self.harness.sim.faults.clear()
            self.harness.wait(**self.chance.choice(WAITS))

    def calm(self) -> None:
        """Everything is repaired, and the worker comes every half hour."""
        for statement in (
            "update campaigns set status = 'active', send_window_end = '23:59' returning id",
            "update campaign_enrollments set status = 'active' where status = 'paused' returning id",
            "update email_identities set paused_at = null returning id",
        ):
            rows_of(self.harness.db, statement)
        self.harness.limit(None)
        resume_sending(self.harness.db, self.harness.now)
        self.is_stopped = False
        for _ in range(48 * 7):
            self.tick()
            self.harness.wait(minutes=30)
            if not rows_of(
                self.harness.db, "select id from campaign_enrollments where status in ('active', 'engaged')"
            ):
                return

    def tick(self) -> None:
        """With a key of full access, so that the provider can be asked, and the watch, since SQL changes people."""
        client = Resend(HttpClient(self.harness.sim.url, timeout=(2, 10), repeats=0), self.harness.sim.api_key)
        requests = self.harness.sim.requests.total()
        give_times(self.harness.db, self.harness.now)
        self.harness.tick(harness=EngineContext(client, LIVE, PUBLIC_URL))
        self.while_stopped += (self.harness.sim.requests.total() - requests) * self.is_stopped

    def opt_out(self) -> None:
        row = self.chance.choice(rows_of(self.harness.db, "select email from contacts order by email"))
        if row["email"] not in self.left and self.chance.random() < 0.5:
            self.harness.suppress(row["email"], self.chance.choice(["opt_out", "complaint", "hard_bounce"]))
            self.left[row["email"]] = self.harness.now

    def status(self) -> None:
        self._campaign(
            "update campaigns set status = :value where id = :id returning id", ["active", "paused", "draft"]
        )

    def window(self) -> None:
        self._campaign(
            "update campaigns set send_window_end = cast(:value as time) where id = :id returning id",
            ["23:59", "00:05"],
        )

    def person(self) -> None:
        rows_of(
            self.harness.db,
            """update campaign_enrollments set status = case status when 'paused' then 'active' else 'paused' end
               where id = :id and status in ('active', 'paused') returning id""",
            id=self.chance.choice(self.people),
        )

    def cap(self) -> None:
        self.harness.limit(None, cap=self.chance.choice([None, (1, 2)]))

    def limit(self) -> None:
        self.harness.limit(self.chance.choice([None, 1, 5]))

    def brake(self) -> None:
        change = resume_sending if self.is_stopped else stop_sending
        change(self.harness.db, self.harness.now)
        self.is_stopped = not self.is_stopped

    def sender(self) -> None:
        rows_of(
            self.harness.db,
            "update email_identities set paused_at = case when paused_at is null then now() end returning id",
        )

    def _campaign(self, statement: str, values: list[str]) -> None:
        campaign: UUID = self.chance.choice(self.campaigns)
        rows_of(self.harness.db, statement, id=campaign, value=self.chance.choice(values))


def problems_of(history: CampaignHistory) -> list[str]:
    """What must never be."""
    db, mails = history.harness.db, history.harness.sim.mails
    found = ["a request while sending was stopped"] * (history.while_stopped > 0)
    found += [f"{tag} twice" for tag, number in Counter(mail.tags["send"] for mail in mails).items() if number > 1]
    found += [
        f"unwanted: {mail.recipients[0]}"
        for mail in mails
        if mail.recipients[0] in history.left and mail.at > history.left[mail.recipients[0]]
    ]
    sends = {
        str(row["id"]): row
        for row in rows_of(
            db,
            """select mail.id, mail.enrollment_id, mail.status, step.step_number
               from email_sends mail join campaign_sequences step on step.id = mail.sequence_id""",
        )
    }
    times: dict[UUID, list[tuple[int, datetime]]] = defaultdict(list)
    for mail in mails:
        send = sends[mail.tags["send"]]
        times[send["enrollment_id"]].append((send["step_number"], mail.at))
    for steps in times.values():
        ordered = sorted(steps)
        for (_, before), (number, after) in pairwise(ordered):
            if after - before < DELAY - timedelta(minutes=5):
                found.append(f"step {number} after {after - before}")
    taken = {mail.tags["send"] for mail in mails}
    found += [f"{tag} is {row['status']}" for tag, row in sends.items() if (row["status"] == "sent") != (tag in taken)]
    lost = rows_of(
        db,
        """select enrollment.status, count(*) as n from campaign_enrollments enrollment
           where status in ('active', 'engaged', 'paused') group by 1""",
    )
    found += [f"{row['n']} still {row['status']}" for row in lost]
    pending = rows_of(db, "select id from campaign_sequence_logs where status = 'pending'")
    return found + [f"{len(pending)} pending" for _ in pending[:1]]


@pytest.mark.parametrize("seed", range(12))
def test_a_random_history_ends_with_nobody_twice_lost_or_unwanted(campaigns: CampaignHarness, seed: int) -> None:
    history = CampaignHistory(campaigns, seed)
    history.live(14)
    history.calm()
    assert problems_of(history) == []
    campaigns.assert_accounts()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_two_hundred_more_of_them(campaigns: CampaignHarness, seed: int) -> None:
    history = CampaignHistory(campaigns, seed)
    history.live(25)
    history.calm()
    assert problems_of(history) == []
