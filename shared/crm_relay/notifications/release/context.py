"""What leaving needs besides the database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from crm_relay.mail.models import Identity, Mode, SendPolicy
from crm_relay.mail.sending.gate import KEPT_BY
from crm_relay.notifications.content.links import LinkRules
from crm_relay.notifications.models import Channel
from crm_relay.providers.email import EmailProvider
from crm_relay.providers.text import TextProvider

_NO_LINKS = LinkRules()


class SlackChannel(Protocol):
    """One channel by its webhook's address."""

    def post(self, text: str, blocks: Sequence[str | Mapping[str, Any]] | None = None) -> None:
        """One message; errors as in providers/slack/client.py."""


@dataclass(frozen=True)
class ReleaseContext:
    """`sender`: EMAIL_FROM; None: no e-mail. `texts` None: no text messages. `policy`: of mail to colleagues.

    `public_url` is where the function `unsubscribe` answers, `link_keys` sign its links. `open_slack` makes a client
    of a webhook's address. `sleep` waits until a channel of Slack takes another message.
    """

    emails: EmailProvider
    policy: SendPolicy
    public_url: str
    sender: Identity | None
    open_slack: Callable[[str], SlackChannel]
    sleep: Callable[[float], None]
    texts: TextProvider | None = None
    links: LinkRules = _NO_LINKS
    link_keys: tuple[str, ...] = ()

    @property
    def slack_kept_by(self) -> str | None:
        """Why nothing is posted to Slack; None: it is. A channel is no address that an allow-list could have."""
        return None if self.policy.mode is Mode.LIVE else KEPT_BY[self.policy.mode]

    @property
    def configured(self) -> frozenset[Channel]:
        """The channels that this installation can use."""
        parts = {Channel.EMAIL: self.sender, Channel.SMS: self.texts}
        missing = {channel for channel, part in parts.items() if part is None}
        return frozenset(Channel) - missing - {Channel.PUSH}
