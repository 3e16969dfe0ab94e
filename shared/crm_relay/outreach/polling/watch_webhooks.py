"""Whether EmailBison still has our webhook in every workspace, with all the events that it should send."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import keep_open
from crm_relay.outreach import store
from crm_relay.platform.clock import Clock
from crm_relay.platform.database import Queryable
from crm_relay.providers.bison.client import Bison, RegisteredWebhook
from crm_relay.providers.bison.vocabulary import HOOK_EVENTS

ROUTE = "/webhooks/bison/"
"""What stands before the token in the address of every webhook that is ours."""


@dataclass(frozen=True)
class Registration:
    """`ours`: the webhook that leads here with a token that is valid; None where there is none."""

    ours: RegisteredWebhook | None
    missing_events: tuple[str, ...]

    @property
    def trouble(self) -> str | None:
        """What the operator has to know; None where all is well."""
        if self.ours is None:
            return "EmailBison has no webhook that leads here: run crm-relay bison webhooks ensure"
        if self.missing_events:
            return "The webhook in EmailBison lacks events: run crm-relay bison webhooks ensure"
        return None


def registration(webhooks: Sequence[RegisteredWebhook], tokens: Sequence[str], base: str | None = None) -> Registration:
    """The one of `webhooks` that is ours: its address ends with a token of ours, and begins with `base` where given."""
    endings = tuple(ROUTE + token for token in tokens)
    for hook in webhooks:
        if hook.url.endswith(endings) and hook.url.startswith(base or ""):
            sent = {event.lower() for event in hook.events}
            return Registration(hook, tuple(event for event in HOOK_EVENTS if event not in sent))
    return Registration(None, HOOK_EVENTS)


def watch_webhooks(
    db: Queryable, bisons: Mapping[str, Bison], tokens: Mapping[str, Sequence[str]], clock: Clock
) -> dict[str, str]:
    """Workspace -> trouble, of those in `bisons`. One request each; errors as in Bison."""
    troubles: dict[str, str] = {}
    for name, bison in bisons.items():
        trouble = registration(bison.webhooks(), tokens.get(name, ())).trouble
        incidents = [] if trouble is None else [Incident("webhook_missing", name, trouble, name)]
        keep_open(db, "webhook_missing", incidents, clock(), scope=name)
        troubles |= {} if trouble is None else {name: trouble}
    store.hooks_checked(db, list(bisons), clock())
    return troubles
