"""Settings of workflow_cron."""

from pydantic import Field

from crm_relay.installation.send_settings import MailSettings
from crm_relay.platform.shared_settings import AppUrl, LinkHosts, NotificationQueueUrl
from crm_relay.workflows.webhooks_out.outbox_settings import OutboxSettings


class Settings(MailSettings, OutboxSettings):
    """E-mail and webhooks out, where links lead, who delivers notifications, and how long rows stay."""

    app_url: AppUrl = None
    notification_link_hosts: LinkHosts = ()
    notification_queue_url: NotificationQueueUrl = None
    workflow_log_retention_days: int = Field(
        default=90, ge=1, description="How long a line of the log of a workflow's run stays."
    )
    workflow_run_retention_days: int = Field(
        default=365, ge=30, description="How long a workflow's run stays with its steps once it is over."
    )
