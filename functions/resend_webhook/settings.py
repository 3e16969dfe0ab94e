"""What resend_webhook has to be told."""

from crm_relay.inbox.open import InboxSettings
from crm_relay.platform.settings import CommaSeparated


class Settings(InboxSettings):
    """`resend_webhook_secret` empty: every delivery is refused. Several are valid at once while one is replaced."""

    resend_webhook_secret: CommaSeparated = ()
