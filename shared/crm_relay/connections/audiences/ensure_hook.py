"""Makes the webhook of a connected audience, once; what we change there ourselves is not reported to us."""

from dataclasses import dataclass, field

from crm_relay.connections.engine.record_sync import RecordSync
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.mailchimp.connector import MailchimpAccount
from crm_relay.providers.mailchimp.settings import list_of
from crm_relay.providers.mailchimp.webhook import ROUTE, webhook_token


@dataclass(frozen=True)
class AudienceHookState:
    """`signing_secret`: said once by Mailchimp, if at all."""

    is_new: bool
    signing_secret: str | None = field(default=None, repr=False)


def ensure_hook(sync: RecordSync, base_url: str, keys: tuple[str, ...]) -> AudienceHookState:
    """Safe to call twice. Mailchimp asks the address with a GET before it takes it.

    Raises RejectedInput where something is missing or Mailchimp does not get an answer, and errors of requests.
    """
    if not keys or not base_url:
        raise RejectedInput("set MAILCHIMP_WEBHOOK_KEY, and PUBLIC_URL to the address that Mailchimp can reach")
    list_id = list_of(sync.connection.settings)
    with sync.opened() as account:
        if not isinstance(account, MailchimpAccount) or list_id is None:
            raise RejectedInput("only an audience of Mailchimp has such a webhook")
        audience = account.api.audience(list_id)
        url = f"{base_url.rstrip('/')}{ROUTE}{webhook_token(sync.connection.id, keys)}"
        if any(each.url == url for each in audience.hooks()):
            return AudienceHookState(is_new=False)
        return AudienceHookState(is_new=True, signing_secret=audience.add_hook(url).signing_secret)
