"""What cache_sync has to be told."""

from pydantic import Field

from crm_relay.platform.settings import SettingsModel


class Settings(SettingsModel):
    """`edge_shrink_limit_percent`: fewer rows than this at once are an accident, and nothing is deleted at the edge.

    `cache_orders_queue_url` None: what an ordered run leaves undone waits for the next schedule.
    """

    database_url: str
    database_ca_file: str | None = None
    edge_cache_table: str
    coordination_table: str
    cache_orders_queue_url: str | None = None
    edge_shrink_limit_percent: float = Field(default=20.0, ge=0, le=100)
    alert_slack_webhook_url: str | None = None
    alert_topic_arn: str | None = None
