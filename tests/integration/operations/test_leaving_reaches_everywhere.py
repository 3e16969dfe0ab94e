"""Whoever unsubscribes, complains or cannot be reached is in no campaign and mutes in Mautic before the next mail."""

from collections.abc import Callable

import pytest

from crm_relay.mail.feedback.unsubscribe import UnsubscribeRequest
from crm_relay.sources.unsubscribe import UNSUBSCRIBE
from crm_relay.webhooks.models import Delivered
from crm_relay.webhooks.receive import apply_once
from crm_relay.webhooks.source import Received
from local.simulators.resend.state import SimulatedMail
from tests.support.campaigns.campaign_harness import CampaignHarness, email
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.platform.rows import one

ADDRESS = "ana@example.com"


def press_unsubscribe(campaigns: CampaignHarness, mail: SimulatedMail) -> None:
    token = mail.payload["headers"]["List-Unsubscribe"].strip("<>").rpartition("/")[2]
    wanted = UnsubscribeRequest(token, False, campaigns.now)
    apply_once(
        campaigns.db, UNSUBSCRIBE, Received(Delivered(UNSUBSCRIBE.name, wanted.to_body(), campaigns.now), wanted)
    )


def complain(campaigns: CampaignHarness, mail: SimulatedMail) -> None:
    campaigns.sim.complained(mail)
    campaigns.deliver()


def bounce(campaigns: CampaignHarness, mail: SimulatedMail) -> None:
    campaigns.sim.bounced(mail, "Permanent")
    campaigns.deliver()


@pytest.mark.parametrize(
    ("leave", "status", "kind"),
    [
        (press_unsubscribe, "unsubscribed", "opt_out"),
        (complain, "unsubscribed", "complaint"),
        (bounce, "bounced", "hard_bounce"),
    ],
)
def test_it_ends_every_campaign_and_mutes_in_mautic_before_the_next_mail(
    campaigns: CampaignHarness,
    harness: MauticHarness,
    leave: Callable[[CampaignHarness, SimulatedMail], None],
    status: str,
    kind: str,
) -> None:
    harness.customer(ADDRESS)
    harness.sync()
    contact = harness.simulator.contact_by("email", ADDRESS)
    assert contact is not None
    assert harness.simulator.mailable(contact.id)
    person = campaigns.contact(ADDRESS)
    spring, autumn = (
        campaigns.enroll(campaigns.campaign(email(1), email(2, delay_days=1), name=name), person)
        for name in ("Spring", "Autumn")
    )
    campaigns.tick()
    assert campaigns.sim.sends[ADDRESS] == 2

    leave(campaigns, campaigns.sim.mails_to(ADDRESS)[0])

    ledger = one(campaigns.db, "select suppressed_by from consent_state where address = :a", a=ADDRESS)
    assert ledger["suppressed_by"] == kind
    assert {campaigns.enrollment(each)["status"] for each in (spring, autumn)} == {status}
    harness.sync()
    assert not harness.simulator.mailable(contact.id)
    campaigns.wait(days=30)
    campaigns.tick()
    assert campaigns.sim.sends[ADDRESS] == 2
