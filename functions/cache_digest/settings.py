"""What cache_digest has to be told."""

from crm_relay.platform.settings import SettingsModel


class Settings(SettingsModel):
    """`edge_cache_table` is the table whose stream it is."""

    edge_cache_table: str
