"""An account whose totals EmailBison shows, noted as the poll does, and hours that pass."""

from datetime import UTC, datetime, timedelta

from crm_relay.outreach.polling.reconcile import Reconciled, reconcile
from crm_relay.platform.database import Database
from tests.support.outreach.bison_webhook_function import NORTHWIND
from tests.support.platform.rows import rows_of

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def at(hours: float, seconds: float = 0) -> str:
    """So many hours after noon, as EmailBison writes it."""
    return (NOON + timedelta(hours=hours, seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def show(
    database: Database, hours: float, *, account: int = 7, workspace: str = NORTHWIND, sent: int = 0, replies: int = 0
) -> None:
    """What the poll read at that hour."""
    rows_of(
        database,
        """insert into sender_emails_cache (
               bison_instance, sender_email_id, workspace_name, email_address, emails_sent_count, total_replied_count,
               last_synced_at
           )
           values ('send.example.com', :account, :workspace, 'sender@example.com', :sent, :replies, :at)
           on conflict (bison_instance, sender_email_id) do update set
               workspace_name = excluded.workspace_name, emails_sent_count = excluded.emails_sent_count,
               total_replied_count = excluded.total_replied_count, last_synced_at = excluded.last_synced_at""",
        account=account,
        workspace=workspace,
        sent=sent,
        replies=replies,
        at=NOON + timedelta(hours=hours),
    )


def compare(database: Database, hours: float, *, workspace: str = NORTHWIND, fills: bool = True) -> Reconciled:
    """The round of that hour."""
    return reconcile(database, workspace, NOON + timedelta(hours=hours), fills=fills)


def shown_and_compared(database: Database, hours: float, **totals: int) -> Reconciled:
    """Totals that are read and compared in the same round."""
    show(database, hours, **totals)  # type: ignore[arg-type]
    return compare(database, hours)
