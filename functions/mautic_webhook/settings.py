"""Settings of mautic_webhook."""

from typing import Annotated

from pydantic import Field

from crm_relay.platform.aws.secret_groups import IN_PUBLIC_SECRET
from crm_relay.platform.settings import SigningSecrets
from crm_relay.webhooks.inbox_settings import InboxSettings


class Settings(InboxSettings):
    """The inbox, and the secret of Mautic's webhook."""

    mautic_webhook_secret: Annotated[SigningSecrets, IN_PUBLIC_SECRET] = Field(
        default=(),
        description="Secret of the webhook in Mautic, at least 16 characters. Several, separated by commas, are valid "
        "at once while one is replaced. Unset: every delivery is refused.",
    )
