"""Settings of notification_cron."""

from pydantic import Field

from crm_relay.installation.send_settings import SendingSettings
from crm_relay.platform.shared_settings import AppUrl, LinkHosts


class Settings(SendingSettings):
    """Both channels out, where links lead, and how long rows stay."""

    app_url: AppUrl = None
    notification_link_hosts: LinkHosts = ()
    notification_retention_days: int = Field(
        default=90, ge=1, description="How long a notification stays once it was read or archived."
    )
