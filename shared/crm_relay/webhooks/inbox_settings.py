"""What the settings of every webhook have in common."""

from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import (
    CoordinationTable,
    DatabaseCaFile,
    DatabaseUrl,
    DeferredQueueUrl,
    OversizeBucket,
)

# Mautic waits with its own work until we answer, Resend gives up after 15 seconds, and a reader sooner: a database that
# takes longer than this is as good as away.
DATABASE_SECONDS = 5.0


class InboxSettings(SettingsModel):
    """Base of a webhook's settings: where deliveries are kept, and where they wait while that is away."""

    database_url: DatabaseUrl
    database_ca_file: DatabaseCaFile = None
    deferred_queue_url: DeferredQueueUrl
    oversize_bucket: OversizeBucket
    coordination_table: CoordinationTable
