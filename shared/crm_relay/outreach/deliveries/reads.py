"""What is locked and read before a batch of deliveries is decided, in the order of the locks."""

from collections.abc import Mapping, Sequence

from crm_relay.consent.address import normalise
from crm_relay.outreach.decisions import LEAD_TIME_OF, METRIC_OF, STATUS_OF
from crm_relay.outreach.deliveries.known import UNKNOWN_ACCOUNT
from crm_relay.platform.sql import Rows, SqlValue, Statement, queries_beside
from crm_relay.providers.bison.events import BisonDelivery, BisonEvent
from crm_relay.webhooks.source import Batch, KeptDelivery, Received

_SQL = queries_beside(__file__)


def reads_of(batch: Batch[BisonDelivery], instance: str) -> Mapping[str, Statement]:
    """By the name under which `decide_batch` finds the rows. `instance` is the host of our EmailBison.

    That an event is new is believed of a single delivery: the unique index of the log refuses a wrong belief, and the
    batch is repeated with a look first.
    """
    events = [(_workspace(each), each.parsed.event) for each in batch.deliveries if each.parsed.event]
    names = {_workspace(each) for each in batch.deliveries}
    rows = [_batch_row(name, events, instance) for name in sorted(names)]
    locked = (
        _SQL["lock_one_outreach"].bind(**rows[0]) if len(rows) == 1 else _SQL["lock_outreach"].bind(batch=Rows(rows))
    )
    statements = {"workspaces": locked}
    if batch.is_repeated or len(batch.deliveries) > 1 or batch.deliveries[0].delivered.origin != "webhook":
        statements |= {"known_events": _known_events(batch.deliveries)}
    return statements


def reads_of_repeated(kept: Sequence[KeptDelivery[BisonDelivery]]) -> dict[str, Statement]:
    """What else has to be known where deliveries came before."""
    repeated = [each for each in kept if not each.is_new]
    addresses = frozenset[str]().union(*(addresses_of(each.parsed) for each in repeated))
    return {
        "known_events": _known_events(kept),
        "inbox_ids": _SQL["inbox_ids"].bind(dedupe_keys=sorted({each.delivered.dedupe_key for each in repeated})),
        "erased": _SQL["erased_leads"].bind(addresses=sorted(addresses)),
    }


def _known_events(deliveries: Sequence[Received[BisonDelivery] | KeptDelivery[BisonDelivery]]) -> Statement:
    found = ((_workspace(each), each.parsed.event) for each in deliveries if each.parsed.event)
    events = sorted({(name, key) for name, event in found for key in event.keys})
    return _SQL["known_events"].bind(events=Rows([{"workspace_name": name, "event_key": key} for name, key in events]))


def addresses_of(delivery: BisonDelivery) -> set[str]:
    """Of the lead and of anyone who wrote the reply, normalised."""
    event = delivery.event
    lead = event.lead.email if event and event.lead else None
    writer = event.reply.from_address if event and event.reply else None
    return {address for each in (lead, writer) if each for address in [normalise(each)] if address}


def _workspace(each: Received[BisonDelivery] | KeptDelivery[BisonDelivery]) -> str:
    return each.delivered.workspace_name or ""


def _batch_row(name: str, events: Sequence[tuple[str, BisonEvent]], instance: str) -> dict[str, SqlValue]:
    own = [event for workspace, event in events if workspace == name]
    leads = {event.lead.lead_id for event in own if event.lead and event.kind in LEAD_TIME_OF}
    counted = sorted(
        {
            (each.account.account_id if each.account else UNKNOWN_ACCOUNT, METRIC_OF[each.kind])
            for each in own
            if each.kind in METRIC_OF
        }
    )
    return {
        "workspace_name": name,
        "marks": sorted(f"{name}/{lead_id}" for lead_id in leads),
        "account_ids": [account_id for account_id, _ in counted],
        "metrics": [str(metric) for _, metric in counted],
        "interested": sorted({each.lead.lead_id for each in own if each.lead and each.kind == "lead_interested"}),
        "instance": instance,
        "changing": sorted({each.account.account_id for each in own if each.account and each.kind in STATUS_OF}),
    }
