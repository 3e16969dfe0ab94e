"""Settings of campaign_cron."""

from crm_relay.installation.send_settings import SendingSettings


class Settings(SendingSettings):
    """Everything that sends has the same."""
