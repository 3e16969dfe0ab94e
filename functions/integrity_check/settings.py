"""What integrity_check has to be told."""

from pydantic import Field

from crm_relay.platform.settings import SettingsModel


class Settings(SettingsModel):
    """`integrity_fix_cap`: where a check finds more rows than this, it mends none of them and asks.

    `integrity_orders_queue_url` None: an order that meets a run is not repeated.
    """

    database_url: str
    database_ca_file: str | None = None
    edge_cache_table: str
    coordination_table: str
    integrity_orders_queue_url: str | None = None
    integrity_fix_cap: int = Field(default=100, ge=0, le=1000)
    alert_slack_webhook_url: str | None = None
    alert_topic_arn: str | None = None
