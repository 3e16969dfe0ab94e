"""Settings of cache_digest."""

from crm_relay.platform.settings import SettingsModel
from crm_relay.platform.shared_settings import EdgeCacheTable


class Settings(SettingsModel):
    """The table whose stream invokes the function."""

    edge_cache_table: EdgeCacheTable
