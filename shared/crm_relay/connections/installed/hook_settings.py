"""Settings that the webhooks of connections share with the command that makes them."""

from typing import Annotated

from pydantic import Field

from crm_relay.platform.aws.secret_groups import IN_PUBLIC_SECRET
from crm_relay.platform.settings import SigningSecrets

MailchimpWebhookKey = Annotated[
    SigningSecrets,
    IN_PUBLIC_SECRET,
    Field(
        description="What makes the tokens in the addresses of Mailchimp's webhooks, at least 16 characters. "
        "Several, separated by commas, are valid at once while one is replaced; the first makes new ones. Unset: every "
        "delivery is refused.",
    ),
]
MailchimpSigningSecrets = Annotated[
    SigningSecrets,
    IN_PUBLIC_SECRET,
    Field(
        description="Signing secrets that Mailchimp named when it made the webhooks, separated by commas. Once one is "
        "set, a delivery without a good signature is refused. Unset: the token alone lets in.",
    ),
]
