"""Settings of integrity_check."""

from pydantic import Field

from crm_relay.operations.rooms import LeftOutRooms
from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import (
    AlertSlackWebhookUrl,
    AlertTopicArn,
    CoordinationTable,
    DatabaseCaFile,
    DatabaseUrl,
    MauticClientId,
    MauticClientSecret,
    MauticLeaseSeconds,
    MauticRequestTimeoutSeconds,
    MauticUrl,
    OptionalDeferredQueueUrl,
    OptionalEdgeCacheTable,
    OptionalOversizeBucket,
)


class Settings(SettingsModel):
    """Both stores that are checked, and the limit of automatic fixes; and every place that an erasure goes to."""

    database_url: DatabaseUrl
    database_ca_file: DatabaseCaFile = None
    edge_cache_table: OptionalEdgeCacheTable = None
    coordination_table: CoordinationTable
    left_out_rooms: LeftOutRooms = ()
    integrity_orders_queue_url: str | None = None
    integrity_fix_cap: int = Field(
        default=100,
        ge=0,
        le=1000,
        description="A check that finds more rows than this fixes none of them and asks for approval. 0 to 1000.",
    )
    alert_slack_webhook_url: AlertSlackWebhookUrl = None
    alert_topic_arn: AlertTopicArn = None
    deferred_queue_url: OptionalDeferredQueueUrl = None
    oversize_bucket: OptionalOversizeBucket = None
    mautic_url: MauticUrl = ""
    mautic_client_id: MauticClientId = ""
    mautic_client_secret: MauticClientSecret = ""
    mautic_request_timeout_seconds: MauticRequestTimeoutSeconds = 120.0
    mautic_lease_seconds: MauticLeaseSeconds = 180.0
