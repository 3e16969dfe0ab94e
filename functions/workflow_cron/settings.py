"""Settings of workflow_cron."""

from crm_relay.installation.send_settings import MailSettings
from crm_relay.platform.shared_settings import AppUrl, LinkHosts, NotificationQueueUrl
from crm_relay.workflows.webhooks_out.outbox_settings import OutboxSettings


class Settings(MailSettings, OutboxSettings):
    """E-mail and webhooks out, where links lead, and who delivers notifications."""

    app_url: AppUrl = None
    notification_link_hosts: LinkHosts = ()
    notification_queue_url: NotificationQueueUrl = None
