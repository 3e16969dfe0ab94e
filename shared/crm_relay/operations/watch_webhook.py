"""Looks after Mautic's webhook, and reads everything of the time in which it brought nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_relay.customers.contacts.directory import CONTACTS
from crm_relay.customers.setup.watch_hook import HookWatch, watch_hook
from crm_relay.customers.store import close_gap, keep_gap
from crm_relay.engagement.read_missed import Missed, read_missed
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import FatalError, RejectedInput, TransientError
from crm_relay.providers.mautic.client import Mautic

_PATIENCE = timedelta(days=1)
"""How long a gap's opens and clicks are asked for again every hour, with a mail each time."""


@dataclass(frozen=True)
class Watched:
    """What the watch found; of a gap also what was read of its opens and clicks.

    `given_up` says why the opens and clicks of the gap stay unknown, `postponed` why the next watch goes on with them.
    """

    hook: HookWatch
    missed: Missed | None = None
    given_up: str | None = None
    postponed: str | None = None

    @property
    def trouble(self) -> str | None:
        """What the operator has to know; None where all is well."""
        sentence = self.hook.trouble
        if self.given_up is not None:
            return f"{sentence}. Opens and clicks of that time stay unknown: {self.given_up}"
        if self.postponed is not None:
            return f"{sentence}. Opens and clicks: {self.postponed}; the next watch goes on"
        return sentence if self.missed is None else f"{sentence}. {self.missed.added} missed opens and clicks were read"

    def answer(self) -> dict[str, object]:
        """The function's answer."""
        hook = self.hook
        body: dict[str, object] = {"success": self.trouble is None, "hooks": hook.hooks}
        body |= {"switched_off": hook.switched_off}
        if hook.gap is not None:
            body["gap"] = {"from": hook.gap.gap_from.isoformat(), "to": hook.gap.gap_to.isoformat()}
        body |= {} if hook.contacts is None else {"contacts": hook.contacts.answer()}
        body |= {} if self.missed is None else {"opens_and_clicks": self.missed.answer()}
        return body if self.trouble is None else {**body, "trouble": self.trouble}


def watch_webhook(db: Database, mautic: Mautic, now: datetime, deadline: Deadline) -> Watched:
    """One request where all is well. Safe to call twice; a watch that dies on the way is followed by the next.

    Opt-outs are read before anything else: they matter most. Raises TransientError, FatalError.
    """
    hook = watch_hook(db, mautic, now)
    if hook.gap is None:
        return Watched(hook)
    missed = Missed(hook.gap.opens_after, hook.gap.clicks_after)
    try:
        since = hook.gap.gap_from
        read_missed(db, mautic.statistics, CONTACTS, missed, since, deadline, lambda read: _keep(db, read))
    except (TransientError, FatalError, RejectedInput) as error:
        if isinstance(error, TransientError) and now - hook.gap.gap_to < _PATIENCE:
            return Watched(hook, missed, postponed=str(error))
        # Nothing that waiting would mend: the operator is told once.
        close_gap(db)
        return Watched(hook, missed, given_up=str(error))
    if not missed.is_complete:
        return Watched(hook, missed, postponed="there are more than fit into one invocation")
    close_gap(db)
    return Watched(hook, missed)


def _keep(db: Queryable, missed: Missed) -> None:
    keep_gap(db, opens_after=missed.opens_after, clicks_after=missed.clicks_after)
