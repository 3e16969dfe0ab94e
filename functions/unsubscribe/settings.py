"""Settings of unsubscribe."""

from crm_relay.webhooks.inbox_settings import InboxSettings


class Settings(InboxSettings):
    """No secret of ours is needed: the token in the path is one."""
