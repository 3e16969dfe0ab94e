"""Settings of cache_sync."""

from pydantic import Field

from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import (
    AlertSlackWebhookUrl,
    AlertTopicArn,
    CoordinationTable,
    DatabaseCaFile,
    DatabaseUrl,
    EdgeCacheTable,
)


class Settings(SettingsModel):
    """The edge cache, its orders and its alerts."""

    database_url: DatabaseUrl
    database_ca_file: DatabaseCaFile = None
    edge_cache_table: EdgeCacheTable
    coordination_table: CoordinationTable
    cache_orders_queue_url: str | None = None
    edge_shrink_limit_percent: float = Field(
        default=20.0,
        ge=0,
        le=100,
        description="If more than this percentage of a table's rows disappears at once, nothing of the table is "
        "deleted at the edge until an operator allows it. One or two rows may go as long as no fewer are left; an "
        "empty table never deletes anything.",
    )
    alert_slack_webhook_url: AlertSlackWebhookUrl = None
    alert_topic_arn: AlertTopicArn = None
