"""The watch on Mautic's webhook: Mautic switches it off after a failure, silently, and people go on unsubscribing."""

from dataclasses import dataclass
from datetime import datetime

from crm_relay.contacts import store
from crm_relay.contacts.audit import Audit, audit_everybody, repair
from crm_relay.platform.database import Runs
from crm_relay.providers.mautic.client import Mautic

ROUTE = "/webhooks/mautic"
"""How the address of every webhook ends that is ours."""

_MOST_READ = 50_000
"""Contacts that fit into one invocation; with more the operator is told the command."""


@dataclass(frozen=True)
class HookWatch:
    """How many webhooks of ours Mautic has, how many had been switched off, and what was missed meanwhile."""

    hooks: int
    switched_off: int
    gap: Audit | None = None

    @property
    def trouble(self) -> str | None:
        """What the operator has to know; None where all is well."""
        if not self.hooks:
            return "Mautic has no webhook of ours: run crm-relay mautic setup"
        if not self.switched_off:
            return None
        told = "Mautic had switched the webhook off; it is on again"
        if self.gap is None:
            return f"{told}. Too many contacts to look through here: run crm-relay mautic audit --repair"
        return f"{told}. {len(self.gap.findings)} differences were found and handed to the next run"

    def answer(self) -> dict[str, object]:
        """The function's answer."""
        body: dict[str, object] = {
            "success": self.trouble is None,
            "hooks": self.hooks,
            "switched_off": self.switched_off,
        }
        body |= {} if self.gap is None else {"gap": self.gap.answer()}
        return body if self.trouble is None else {**body, "trouble": self.trouble}


def watch_hook(db: Runs, mautic: Mautic, now: datetime) -> HookWatch:
    """Look whether our webhook is on, else switch it on and fetch what was missed. One request where all is well.

    Opt-outs and deletions of the gap are read from the contacts themselves. Opens and clicks stay unknown: no recorded
    call of Mautic's API tells them afterwards.
    """
    ours = [hook for hook in mautic.configuration.hooks() if hook.url.rstrip("/").endswith(ROUTE)]
    off = [hook for hook in ours if not hook.published]
    for hook in off:
        mautic.configuration.publish_hook(hook.hook_id)
    if not off or store.known_contacts(db) > _MOST_READ:
        return HookWatch(len(ours), len(off))
    audit = audit_everybody(db, mautic, now)
    repair(db, audit, now)
    return HookWatch(len(ours), len(off), audit)
