"""A database that was copied or restored elsewhere sends, mutes and posts nothing before somebody arms it."""

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cache_sync.order import CacheOrder
from cache_sync.wiring import sync_cache
from cli.main import app
from crm_relay.customers.audit import audit_everybody, repair
from crm_relay.edge_cache.absent import absent_edge
from crm_relay.edge_cache.replication.run import Direction
from crm_relay.incidents.message import AlertMessage
from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import open_incidents
from crm_relay.incidents.report_fence import report_fence
from crm_relay.installation.installation import Installation
from crm_relay.integrity.models import CheckOrder
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.fence.clone_fence import NotArmed, arm
from crm_relay.platform.http.http_client import HttpClient
from integrity_check.wiring import check_installation, revert_fixes
from tests.support.campaigns.campaign_harness import CampaignHarness, email
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.function_settings import NOWHERE, WITHOUT_AWS
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


def copy_of_an_installation(database: Database, posted: Posted) -> Installation[Any]:
    """Whose other parts nothing may reach for."""
    installation = Installation[Any](lambda: None)
    vars(installation).update(database=database, alert_channels=[posted])
    pretend_copied(database)
    return installation


@pytest.mark.parametrize("direction", ["to_cache", "to_postgres", "resync"])
def test_a_copy_neither_writes_to_the_edge_nor_takes_edits_from_it(database: Database, direction: Direction) -> None:
    posted = Posted()
    installation = copy_of_an_installation(database, posted)
    for _ in range(2):
        with pytest.raises(NotArmed):
            sync_cache(installation, CacheOrder(direction), Deadline.after(60))
    assert posted.titles == ["CRM Relay is not armed"]
    assert rows_of(database, "select from sync_log union all select from edge_resyncs") == []


def test_a_copy_checks_and_mends_nothing_but_may_be_looked_at(database: Database) -> None:
    posted = Posted()
    installation = copy_of_an_installation(database, posted)
    vars(installation).update(edge_table=absent_edge(), settings=SimpleNamespace(left_out_rooms=()))
    for order in (CheckOrder(), CheckOrder(fix=True, full=True)):
        with pytest.raises(NotArmed):
            check_installation(installation, order, Deadline.after(60))
    with pytest.raises(NotArmed):
        revert_fixes(installation, "1", "operator")
    assert posted.titles == ["CRM Relay is not armed"]
    assert rows_of(database, "select from integrity_runs") == []
    assert check_installation(installation, CheckOrder(dry_run=True), Deadline.after(60)) is not None


REGISTERS = {
    "mautic": ("mautic", "setup", "--yes", "--no-test", "--url", "https://crm.example.com/webhooks/mautic"),
    "bison": ("bison", "webhooks", "ensure", "--no-test", "--url", "https://crm.example.com"),
    "resend": ("campaign", "webhook", "--url", "https://crm.example.com"),
}
"""Every command that registers a webhook: on a copy it would lead deliveries away from the original."""


@pytest.mark.parametrize("provider", REGISTERS)
def test_a_copy_registers_no_webhook(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(HttpClient, "send", lambda *_args, **_more: asked.append(provider))
    settings = {
        "DATABASE_URL": database_url,
        "MAUTIC_URL": NOWHERE,
        "MAUTIC_CLIENT_ID": "id",
        "MAUTIC_CLIENT_SECRET": "secret",
        "MAUTIC_WEBHOOK_SECRET": "a-secret-of-mautics-webhook",
        "BISON_INSTANCE_URL": NOWHERE,
        "BISON_API_TOKENS": '{"Northwind": "1|token"}',
        "BISON_WEBHOOK_TOKENS": '{"Northwind": "northwind-token-0001-of-32-letters"}',
        "RESEND_API_KEY": "re_123",
        "RESEND_API_URL": NOWHERE,
    }
    for name, value in (WITHOUT_AWS | settings).items():
        monkeypatch.setenv(name, value)
    pretend_copied(database)
    done = CliRunner().invoke(app, REGISTERS[provider])
    assert (done.exit_code, "run crm-relay arm" in " ".join(done.output.split())) == (2, True)
    assert asked == []
    arm(database)
    CliRunner().invoke(app, REGISTERS[provider])
    assert asked


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
