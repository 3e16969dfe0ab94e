"""Settings of unsubscribe."""

from crm_relay.platform.shared_settings import UnsubscribeLinkKey
from crm_relay.webhooks.inbox_settings import InboxSettings


class Settings(InboxSettings):
    """The inbox, and the key by which our links are known: the token in the path is all that a reader has."""

    unsubscribe_link_key: UnsubscribeLinkKey = ()
