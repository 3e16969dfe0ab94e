"""Settings of mailchimp_webhook."""

from crm_relay.connections.installed.hook_settings import MailchimpSigningSecrets, MailchimpWebhookKey
from crm_relay.webhooks.inbox_settings import InboxSettings


class Settings(InboxSettings):
    """The inbox, what makes the tokens in the paths, and what Mailchimp signs with."""

    mailchimp_webhook_key: MailchimpWebhookKey = ()
    mailchimp_signing_secrets: MailchimpSigningSecrets = ()
