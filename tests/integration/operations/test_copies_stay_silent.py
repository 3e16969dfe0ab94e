"""A database that was copied or restored elsewhere sends, mutes and posts nothing before somebody arms it."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from crm_relay.customers.audit import audit_everybody, repair
from crm_relay.incidents.message import AlertMessage
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import open_incidents
from crm_relay.incidents.report_fence import report_fence
from crm_relay.installation.installation import Installation
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.fence.clone_fence import NotArmed, arm
from tests.support.campaigns.campaign_harness import CampaignHarness, email
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.platform.rows import rows_of

TABLES = {"mautic_sync_status": "customer_id", "customer_emails": "customer_id", "customer_profiles": "id"}
"""Of a customer: table -> column with the id."""


def pretend_copied(database: Database) -> None:
    """As if the database had come from another project."""
    rows_of(
        database,
        """insert into installation_settings (key, value) values ('armed_as', :there)
           on conflict (key) do update set value = excluded.value""",
        there='[{"place": "supabase:elsewhere", "database": "postgres", "system": "1"}]',
    )


def test_a_copy_writes_nothing_to_mautic(harness: MauticHarness) -> None:
    who = harness.customer("ada@example.com")
    harness.sync()
    left = harness.customer("bob@example.com")
    harness.set_profile(who, marketing_opt_in=False)
    pretend_copied(harness.db)
    with pytest.raises(NotArmed):
        harness.sync()
    assert harness.contact(left) is None
    assert harness.simulator.mailable(harness.contact(who).id)
    arm(harness.db)
    harness.sync()
    assert harness.contact(left) is not None


def test_a_copy_sends_no_mail_and_skips_nothing(campaigns: CampaignHarness) -> None:
    campaign = campaigns.campaign(email(1))
    campaigns.enroll(campaign)
    pretend_copied(campaigns.db)
    with pytest.raises(NotArmed):
        campaigns.tick()
    assert campaigns.sim.messages == []
    assert rows_of(campaigns.db, "select from email_sends union all select from campaign_sequence_logs") == []
    arm(campaigns.db)
    campaigns.tick()
    assert len(rows_of(campaigns.db, "select from email_sends")) == 1


@dataclass
class Posted:
    """A channel that keeps what it took."""

    name: str = "slack"
    titles: list[str] = field(default_factory=list)

    def send(self, message: AlertMessage) -> None:
        self.titles.append(message.title)


def test_a_copy_posts_no_incident_but_says_once_a_day_that_it_is_not_armed(database: Database) -> None:
    posted = Posted()
    installation = Installation[Any](lambda: None)
    vars(installation).update(database=database, alert_channels=[posted])
    open_incidents(database, [Incident("webhook_silence", "Northwind", "Webhooks are silent")], utc_now())
    pretend_copied(database)
    for _ in range(3):
        installation.send_alerts(Deadline.after(60))
    assert posted.titles == ["CRM Relay is not armed"]
    assert report_fence(database, [posted], utc_now() + timedelta(days=1, hours=1)).sent == 1
    arm(database)
    installation.send_alerts(Deadline.after(60))
    assert posted.titles[2:] == ["Webhooks are silent"]


# --- two installations on one Mautic ----------------------------------------------------------------------------------


def test_the_audit_leaves_contacts_of_another_installation_alone(harness: MauticHarness) -> None:
    harness.customer("ours@example.com")
    harness.sync()
    theirs = [harness.customer(f"theirs{number}@example.com") for number in range(5)]
    harness.sync()
    # The other installation's customers were never in this database.
    harness.db.run_script("set session_replication_role = replica")
    for table, column in TABLES.items():
        harness.sql(f"delete from {table} where {column} = any (:ids::uuid[])", ids=theirs)
    harness.db.run_script("set session_replication_role = origin; delete from mautic_dirty")
    audit = audit_everybody(harness.db, harness.mautic(), harness.now)
    assert (audit.foreign, audit.findings) == (5, [])
    repair(harness.db, audit, harness.now)
    harness.sync()
    assert all(harness.simulator.mailable(contact) for contact in harness.simulator.contacts)


def test_the_audit_still_mutes_a_contact_whose_customer_was_deleted_here(harness: MauticHarness) -> None:
    who = harness.customer("gone@example.com")
    harness.customer("here@example.com")
    harness.sync()
    contact = harness.contact(who).id
    harness.sql("delete from customer_profiles where id = :id", id=who)
    harness.sql("delete from mautic_removals")
    repair(harness.db, audit_everybody(harness.db, harness.mautic(), harness.now), harness.now)
    harness.sync()
    assert not harness.simulator.mailable(contact)
