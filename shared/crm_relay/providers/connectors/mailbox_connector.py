"""What a connector of mailboxes implements beside `contract.py`."""

from typing import Protocol, runtime_checkable

from crm_relay.providers.connectors.contract import Account, Connector
from crm_relay.providers.connectors.mailbox import Mailbox


class MailboxAccount(Account, Protocol):
    """A connected account with a mailbox."""

    def mailbox(self) -> Mailbox:
        """No request is made."""


@runtime_checkable
class MailboxConnector(Connector, Protocol):
    """A connector whose accounts are MailboxAccounts."""

    @property
    def watches_mail(self) -> bool:
        """True."""
