"""What a batch of deliveries means: its outcomes, and what is written of them."""

from collections.abc import Callable, Sequence
from functools import partial

from crm_relay.incidents.models import Incident
from crm_relay.outreach.decisions import is_foreign, known_as, meaning_of
from crm_relay.outreach.deliveries.changes import Changes, Values
from crm_relay.outreach.deliveries.known import KnownOutreach
from crm_relay.outreach.deliveries.reads import reads_of_repeated
from crm_relay.outreach.models import Meaning, OutreachWorkspace
from crm_relay.platform.logging import count_metric, logger
from crm_relay.providers.bison.events import BisonDelivery, BisonEvent
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.source import Decided, KeptDelivery, ReadMore, ReadRows

REFUSED = "the body is of another workspace or instance than the token"
_PROCESSED, _DUPLICATE, _IGNORED = (
    DeliveryOutcome(processed=1),
    DeliveryOutcome(duplicates=1),
    DeliveryOutcome(ignored=1),
)

_COUNTS_NOTHING: Values = {
    "event_key": None,
    "is_first": False,
    "metric": None,
    "amount": 0,
    "occurred_at": None,
    "sender_email_id": None,
    "lead_id": None,
}

Kept = KeptDelivery[BisonDelivery]


def decide_batch(
    kept: Sequence[Kept], rows: ReadRows, *, instance: str, elapsed_ms: Callable[[Delivered], int]
) -> Decided | ReadMore:
    """`instance` is the host of our EmailBison, `elapsed_ms` the time since the request of a delivery arrived."""
    changes = Changes(KnownOutreach.of(rows), instance, max(each.delivered.received_at for each in kept))
    deciding = _BatchDecision(changes, elapsed_ms)
    if changes.known.inbox_ids is None and any(_is_repeated(each) for each in kept):
        return ReadMore(reads_of_repeated(kept))
    outcomes = [deciding.decide(each) for each in kept]
    reports = [partial(_report_unknown, event_type) for event_type in changes.incidents]
    return Decided(outcomes, list(changes.statements()), reports)


def _is_repeated(kept: Kept) -> bool:
    """Whether it came before, and not only from our queue. It may count all the same: its type had no meaning then."""
    return not kept.is_new and kept.delivered.origin != "deferred"


class _BatchDecision:
    def __init__(self, changes: Changes, elapsed_ms: Callable[[Delivered], int]) -> None:
        self.known, self.changes = changes.known, changes
        self._elapsed_ms = elapsed_ms
        self._known = {key: dict(events) for key, events in (changes.known.events or {}).items()}

    def decide(self, kept: Kept) -> DeliveryOutcome:
        """EmailBison's repetition leaves a line in the log, that of our queue does not."""
        event = kept.parsed.event
        if not kept.is_new and not _is_repeated(kept):
            return _DUPLICATE
        if event is None:
            # Before anything is held against it: a test event names whatever workspace its vendor's sample does.
            return self._ignore(kept)
        workspace = self.known.workspaces[_name(kept)]
        if is_foreign(kept.parsed, workspace):
            self._log(kept, problem="of another workspace or instance")
            return DeliveryOutcome(refused=REFUSED)
        known = self._known.setdefault(workspace.key, {})
        is_known = known_as(event, known)
        self._learn(workspace, event, known)
        if is_known:
            self._log(kept)
            return _DUPLICATE
        erased = kept.erased | self.known.erased
        counts = workspace.counts_automated
        meaning = meaning_of(event, kept.delivered.received_at, erased, counts_automated=counts)
        account_id = self.changes.apply(workspace, event, meaning)
        self._log(kept, _counted(event, meaning) | {"sender_email_id": account_id})
        return _PROCESSED

    def _learn(self, workspace: OutreachWorkspace, event: BisonEvent, known: dict[str, bool]) -> None:
        """By whatever it comes again, it is the same event. A key that was alone belongs to it from now on."""
        if event.own_keys and event.shared_key is not None and known.get(event.shared_key):
            self.changes.keys.claim(workspace.key, event.shared_key)
            known[event.shared_key] = False
        is_alone = not event.own_keys
        new = [key for key in event.keys if key not in known]
        self.changes.keys.add(workspace.key, new, is_alone=is_alone)
        known |= dict.fromkeys(new, is_alone)

    def _ignore(self, kept: Kept) -> DeliveryOutcome:
        if kept.parsed.verdict == "unknown":
            event_type = kept.parsed.event_type
            title = "Webhook event(s) of an unknown type: kept, without effect"
            self.changes.incidents[event_type] = Incident("unknown_event", event_type, title)
        self._log(kept)
        return _IGNORED

    def _log(self, kept: Kept, counted: Values | None = None, *, problem: str | None = None) -> None:
        """`counted`: what the line says of an event that counts, for the first time."""
        delivered, workspace = kept.delivered, self.known.workspaces[_name(kept)]
        line: Values = {
            "event_type": kept.parsed.event_type,
            "workspace_name": workspace.key,
            "success": problem is None,
            "error_message": problem,
            "processing_time_ms": self._elapsed_ms(delivered),
            "inbox_id": kept.inbox_id or (self.known.inbox_ids or {}).get(delivered.dedupe_key),
            "origin": delivered.origin,
        }
        self.changes.lines.append(line | (counted or _COUNTS_NOTHING))
        # Whether EmailBison's calls succeed is not shown by what an operator does with them later.
        if delivered.origin != "replay":
            self.changes.count_attempt(workspace.name, delivered.received_at, success=problem is None)


def _counted(event: BisonEvent, meaning: Meaning) -> Values:
    """A lead is named where it did something, not where it was sent to or its mail program answered."""
    lead = None if event.kind == "email_sent" or meaning.lead_time is None else meaning.lead
    return {
        "event_key": event.key,
        "is_first": True,
        "metric": meaning.metric,
        "amount": int(meaning.metric is not None),
        "occurred_at": event.occurred_at,
        "sender_email_id": event.account.account_id if event.account else None,
        "lead_id": lead.lead_id if lead else None,
    }


def _name(kept: Kept) -> str:
    return kept.delivered.workspace_name or ""


def _report_unknown(event_type: str) -> None:
    """`crm-relay bison replay --type` applies it when its meaning is known."""
    logger().warning("event of an unknown type", event_type=event_type)
    count_metric("UnknownEvents", source="bison")
