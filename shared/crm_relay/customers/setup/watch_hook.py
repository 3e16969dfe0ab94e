"""The watch on Mautic's webhook: Mautic switches it off after a failure, silently, and people go on unsubscribing."""

from dataclasses import dataclass
from datetime import datetime

from crm_relay.customers import store
from crm_relay.customers.audit import Audit, audit_everybody, repair
from crm_relay.customers.models import HookGap
from crm_relay.platform.database import Queryable
from crm_relay.providers.mautic.client import Mautic
from crm_relay.providers.mautic.configuration import PresentHook
from crm_relay.webhooks.store import last_received

ROUTE = "/webhooks/mautic"
"""How the address of every webhook ends that is ours."""

_MOST_READ = 50_000
"""Contacts that fit into one invocation; with more the operator is told the command."""


def leads_here(hook: PresentHook) -> bool:
    """Whether its address is that of an installation such as this one."""
    return hook.url.rstrip("/").endswith(ROUTE)


@dataclass(frozen=True)
class HookWatch:
    """How many webhooks of ours Mautic has, how many had been switched off, and the gap that is still to be read.

    `contacts` is what the contacts told of the gap; None where they were read before, or are too many.
    """

    hooks: int
    switched_off: int
    gap: HookGap | None = None
    contacts: Audit | None = None

    @property
    def trouble(self) -> str | None:
        """What the operator has to know; None where all is well."""
        if not self.hooks:
            return "Mautic has no webhook of ours: run crm-relay mautic setup"
        if self.gap is None:
            return None
        sentence = f"Mautic's webhook was off; it is on again. {_span(self.gap)} deliveries may be missing"
        if self.gap.contacts_read:
            return sentence
        if self.contacts is None:
            return f"{sentence}. Too many contacts to look through here: run crm-relay mautic audit --repair"
        return f"{sentence}. {len(self.contacts.findings)} differences were found and handed to the next run"


def watch_hook(db: Queryable, mautic: Mautic, now: datetime) -> HookWatch:
    """Look whether our webhook is on, else switch it on, and read opt-outs and deletions of the gap from the contacts.

    One request where all is well. The gap is noted before anything is done about it, and stays until somebody closes
    it: a watch that dies on the way is followed by the next. Safe to call twice.
    """
    ours = [hook for hook in mautic.configuration.hooks() if leads_here(hook)]
    off = [hook for hook in ours if not hook.published]
    if off or not ours:
        store.open_gap(db, now, last_received(db, "mautic"))
    if not ours:
        return HookWatch(0, 0)
    for hook in off:
        mautic.configuration.publish_hook(hook.hook_id)
    gap = store.see_hook_on(db, now)
    contacts = None if gap is None or gap.contacts_read else _read_contacts(db, mautic, gap, now)
    return HookWatch(len(ours), len(off), gap, contacts)


def _read_contacts(db: Queryable, mautic: Mautic, gap: HookGap, now: datetime) -> Audit | None:
    audit = None
    if store.known_contacts(db) <= _MOST_READ:
        audit = audit_everybody(db, mautic, now)
        repair(db, audit, now)
    store.keep_gap(db, opens_after=gap.opens_after, clicks_after=gap.clicks_after, contacts_read=True)
    return audit


def _span(gap: HookGap) -> str:
    return f"From {gap.gap_from:%Y-%m-%d %H:%M} to {gap.gap_to:%Y-%m-%d %H:%M} UTC"
