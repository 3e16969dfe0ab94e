"""What every webhook has to be told, and the inbox that comes of it."""

from crm_relay.platform.circuit import DatabaseCircuit
from crm_relay.platform.database import Database
from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import (
    CoordinationTable,
    DatabaseCaFile,
    DatabaseUrl,
    DeferredQueueUrl,
    OversizeBucket,
)
from crm_relay.webhooks.defer import Deferred
from crm_relay.webhooks.receive import Inbox

# Mautic waits with its own work until we answer, Resend gives up after 15 seconds, and a reader sooner: a database that
# takes longer than this is as good as away.
_DATABASE_SECONDS = 5.0


class InboxSettings(SettingsModel):
    """Base of a webhook's settings: where deliveries are kept, and where they wait while that is away."""

    database_url: DatabaseUrl
    database_ca_file: DatabaseCaFile = None
    deferred_queue_url: DeferredQueueUrl
    oversize_bucket: OversizeBucket
    coordination_table: CoordinationTable


def open_inbox(settings: InboxSettings) -> Inbox:
    """Nothing is connected before the first delivery."""
    database = Database(settings.database_url, ca_file=settings.database_ca_file, timeout=_DATABASE_SECONDS)
    deferred = Deferred(settings.deferred_queue_url, settings.oversize_bucket)
    return Inbox(database, DatabaseCircuit(settings.coordination_table), deferred)
