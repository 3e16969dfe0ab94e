"""What connections need of their environment: how secrets are encrypted, and which connectors there are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from crm_relay.connections.tokens.vault import Vault
from crm_relay.mail.models import SendPolicy
from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.connectors.setup import ConnectorSetup


@dataclass(frozen=True)
class ConnectionContext:
    """One an environment; `sleep` and `setups` are other ones in tests. `mail_policy`: what may leave by mailboxes."""

    vault: Vault
    setups: Mapping[str, ConnectorSetup] = field(default_factory=dict)
    sleep: Callable[[float], None] | None = None
    mail_policy: SendPolicy = field(default_factory=SendPolicy)

    def setup(self, name: str) -> ConnectorSetup:
        """Raises RejectedInput for a kind of integration that this installation does not have."""
        if name not in self.setups:
            raise RejectedInput(f"no such integration: it is one of {', '.join(sorted(self.setups)) or 'none'}")
        return self.setups[name]
