"""What deliveries of audiences' webhooks mean: departures go into the ledger, all else brings the sync forward."""

from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from crm_relay.connections.audiences.decisions import EVENTS
from crm_relay.connections.audiences.store import audience_of, bringing_forward
from crm_relay.consent.models import ConsentEvent
from crm_relay.consent.record import recording
from crm_relay.platform.database import Row
from crm_relay.platform.logging import count_metric, logger
from crm_relay.platform.sql import Statement
from crm_relay.providers.mailchimp.webhook import AudienceEvent
from crm_relay.webhooks.models import DeliveryOutcome
from crm_relay.webhooks.source import Batch, Decided, KeptDelivery, ReadRows

Kept = KeptDelivery[AudienceEvent]
SOURCE = "mailchimp"


def connection_named(name: str | None) -> UUID:
    """Deliveries are filed under the id of their connection."""
    return UUID(str(name))


def reads_of(batch: Batch[AudienceEvent]) -> Mapping[str, Statement]:
    """Whose audiences they are of."""
    return {"audiences": audience_of([connection_named(each.delivered.workspace_name) for each in batch.deliveries])}


def decide_batch(kept: Sequence[Kept], rows: ReadRows) -> Decided:
    """One outcome a delivery."""
    audiences = {row["id"]: row for row in rows["audiences"]}
    outcomes = [_outcome(each, audiences) for each in kept]
    applied = [each for each, outcome in zip(kept, outcomes, strict=True) if outcome.processed]
    writes = list(_writes(applied, audiences))
    unknown = sum(each.is_new and each.parsed.effect == "unknown" for each in kept)
    return Decided(outcomes, writes, [lambda: _report(unknown)] if unknown else [])


def _outcome(kept: Kept, audiences: Mapping[UUID, Row]) -> DeliveryOutcome:
    if not kept.is_new:
        return DeliveryOutcome(duplicates=1)
    if kept.parsed.effect in {"ignored", "unknown"}:
        return DeliveryOutcome(ignored=1)
    audience = audiences.get(connection_named(kept.delivered.workspace_name))
    if audience is None or audience["org_id"] is None:
        return DeliveryOutcome(refused="the connection of this webhook is not there any more")
    if audience["list_id"] != kept.parsed.list_id:
        return DeliveryOutcome(refused="the delivery is of another audience than the connection's")
    return DeliveryOutcome(ignored=1) if _is_erased(kept) else DeliveryOutcome(processed=1)


def _is_erased(kept: Kept) -> bool:
    """Nothing about somebody who was erased comes back."""
    return kept.parsed.effect in EVENTS and bool(kept.erased)


def _writes(applied: Sequence[Kept], audiences: Mapping[UUID, Row]) -> Iterator[Statement]:
    events = [event for each in applied if (event := _event(each, audiences)) is not None]
    if events:
        yield recording(events)
    if applied:
        connections = {connection_named(each.delivered.workspace_name) for each in applied}
        yield bringing_forward(sorted(connections), max(each.delivered.received_at for each in applied))


def _event(kept: Kept, audiences: Mapping[UUID, Row]) -> ConsentEvent | None:
    event = kept.parsed
    if event.effect not in EVENTS or event.address is None:
        return None
    audience = audiences[connection_named(kept.delivered.workspace_name)]
    # The delivery is its own identity: Mailchimp gives an event none.
    mark = f"webhook:{kept.delivered.dedupe_key}"
    return ConsentEvent(
        EVENTS[event.effect], event.address, SOURCE, event.fired_at, source_event=mark, org_id=audience["org_id"]
    )


def _report(count: int) -> None:
    logger().warning("events without effect", metric="UnknownEvents", count=count)
    count_metric("UnknownEvents", count, source=SOURCE)
