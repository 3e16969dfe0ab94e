"""The outside world of webhook_replay, built once per execution environment."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from crm_relay.campaigns.engine.follow_mail import follow_mail
from crm_relay.campaigns.engine.stop import stop_for_address
from crm_relay.engagement.apply_delivery import apply_delivery
from crm_relay.mail.feedback.apply_event import apply_event
from crm_relay.mail.feedback.unsubscribe import SOURCE as UNSUBSCRIBE
from crm_relay.mail.feedback.unsubscribe import UnsubscribeRequest, unsubscribe
from crm_relay.outreach.apply_delivery import apply_delivery as apply_bison
from crm_relay.outreach.models import Arrival
from crm_relay.platform.clock import Deadline, LambdaContext, utc_now
from crm_relay.platform.database import Database, Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import logger
from crm_relay.platform.settings import read_settings
from crm_relay.providers.bison.instance import instance_host
from crm_relay.providers.bison.webhook import parse as parse_bison
from crm_relay.providers.mautic import webhook
from crm_relay.providers.resend.webhook import parse as parse_resend
from crm_relay.webhooks.defer import Deferred
from crm_relay.webhooks.models import Delivered, DeliveryOutcome
from crm_relay.webhooks.redact import NOTHING_LEFT
from crm_relay.webhooks.replay import Applier, give_up, replay
from crm_relay.webhooks.retention import forget_old_deliveries
from webhook_replay.settings import Settings

_DATABASE_SECONDS = 10.0
_RESERVE_SECONDS = 5.0


def _apply_mautic(transaction: Queryable, delivered: Delivered) -> DeliveryOutcome:
    return apply_delivery(transaction, webhook.parse(delivered.body, now=delivered.received_at))


def _apply_bison(transaction: Queryable, delivered: Delivered) -> DeliveryOutcome:
    arrival = Arrival(
        workspace_name=delivered.workspace_name or "",
        dedupe_key=delivered.dedupe_key,
        received_at=delivered.received_at,
        instance=world().instance,
        origin="deferred",
    )
    return apply_bison(transaction, arrival, parse_bison(delivered.body, now=delivered.received_at))


def _apply_resend(transaction: Queryable, delivered: Delivered) -> DeliveryOutcome:
    if delivered.body == NOTHING_LEFT.encode():
        return DeliveryOutcome(ignored=1)
    event = parse_resend(delivered.body, now=delivered.received_at)
    key = delivered.delivery_id or delivered.dedupe_key
    return apply_event(
        transaction, event, provider="resend", key=key, received_at=delivered.received_at, follow=follow_mail
    )


def _apply_unsubscribe(transaction: Queryable, delivered: Delivered) -> DeliveryOutcome:
    return unsubscribe(transaction, UnsubscribeRequest.from_body(delivered.body), stop=stop_for_address)


APPLIERS: Mapping[str, Applier] = {
    "mautic": _apply_mautic,
    "bison": _apply_bison,
    "resend": _apply_resend,
    UNSUBSCRIBE: _apply_unsubscribe,
}
"""Source of a delivery -> who applies it."""


@dataclass(frozen=True)
class WebhookReplay:
    """What a message meets."""

    database: Database
    deferred: Deferred
    retention_days: int
    instance: str


def _build() -> WebhookReplay:
    settings = read_settings(Settings)
    database = Database(settings.database_url, ca_file=settings.database_ca_file, timeout=_DATABASE_SECONDS)
    deferred = Deferred(settings.deferred_queue_url, settings.oversize_bucket)
    return WebhookReplay(database, deferred, settings.inbox_retention_days, instance_host(settings.bison_instance_url))


world = PerEnvironment(_build)


def _replay_or_keep(database: Database, deferred: Deferred, text: str) -> None:
    try:
        replay(database, deferred, APPLIERS, text)
    except RejectedInput:
        # It will be no more understandable tomorrow: kept where an operator finds it, instead of a day in the queue.
        give_up(database, text)


def perform(event: dict[str, Any], context: LambdaContext) -> Any:
    """Each record of a queue; an event without any is the schedule's."""
    if "Records" not in event:
        return forget(context)
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=event, record_handler=take_record, processor=processor)


def forget(context: LambdaContext) -> dict[str, Any]:
    """Delete deliveries past their time; what does not fit into this run is left to the next night's."""
    here = world()
    deadline = Deadline.of_invocation(context, reserve=_RESERVE_SECONDS)
    done = forget_old_deliveries(
        here.database, here.deferred, now=utc_now(), days=here.retention_days, deadline=deadline
    )
    logger().info("old deliveries forgotten", **asdict(done))
    return asdict(done)


def take_record(record: SQSRecord) -> None:
    """Apply a deferred delivery, or keep what the deferred queue gave up. An exception brings the record back."""
    database, deferred = world().database, world().deferred
    try:
        if record.event_source_arn.rpartition(":")[2] == deferred.queue_url.rpartition("/")[2]:
            _replay_or_keep(database, deferred, record.body)
        else:
            give_up(database, record.body)
    except Exception as error:
        logger().warning("message stays in its queue", message_id=record.message_id, kind=type(error).__name__)
        raise
