"""What admin_api has to be told."""

from crm_relay.platform.settings import SettingsModel


class Settings(SettingsModel):
    """`admin_token` None: only named tokens are valid. `email_from`, `twilio_from`: as what campaign_cron may send."""

    database_url: str
    database_ca_file: str | None = None
    edge_cache_table: str
    cache_orders_queue_url: str
    integrity_orders_queue_url: str
    deferred_queue_url: str
    oversize_bucket: str
    admin_token: str | None = None
    email_from: str | None = None
    twilio_from: str | None = None
