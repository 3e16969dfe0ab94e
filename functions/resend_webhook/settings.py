"""What resend_webhook has to be told."""

from crm_relay.platform.settings import CommaSeparated
from crm_relay.webhooks.open import InboxSettings


class Settings(InboxSettings):
    """`resend_webhook_secret` empty: every delivery is refused. Several are valid at once while one is replaced."""

    resend_webhook_secret: CommaSeparated = ()
