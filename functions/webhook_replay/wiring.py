"""What webhook_replay depends on, built once per execution environment."""

from dataclasses import asdict, dataclass
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from crm_relay.installation.installation import install
from crm_relay.platform.clock import Deadline, LambdaContext, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import logger
from crm_relay.providers.bison.instance import instance_host
from crm_relay.sources.all_sources import REDACTORS, all_sources
from crm_relay.webhooks.defer import Deferred
from crm_relay.webhooks.replay import give_up, replay
from crm_relay.webhooks.retention import forget_old_deliveries
from crm_relay.webhooks.source import Sources
from webhook_replay.settings import Settings

_DATABASE_SECONDS = 10.0
_RESERVE_SECONDS = 5.0


@dataclass(frozen=True)
class WebhookReplay:
    """What a message meets."""

    database: Database
    deferred: Deferred
    retention_days: int
    sources: Sources


def _build() -> WebhookReplay:
    installation = install(Settings, database_seconds=_DATABASE_SECONDS)
    settings = installation.settings
    sources = all_sources(instance_host(settings.bison_instance_url))
    return WebhookReplay(installation.database, installation.deferred, settings.inbox_retention_days, sources)


dependencies = PerEnvironment(_build)


def _replay_or_keep(wired: WebhookReplay, text: str) -> None:
    try:
        replay(wired.database, wired.deferred, wired.sources, text)
    except RejectedInput:
        # It will be no more understandable tomorrow: kept where an operator finds it, instead of a day in the queue.
        give_up(wired.database, REDACTORS, text)


def perform(event: dict[str, Any], context: LambdaContext) -> Any:
    """Each record of a queue; an event without any is the schedule's."""
    if "Records" not in event:
        return forget(context)
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=event, record_handler=take_record, processor=processor)


def forget(context: LambdaContext) -> dict[str, Any]:
    """Delete deliveries past their time; what does not fit into this run is left to the next night's."""
    wired = dependencies()
    deadline = Deadline.of_invocation(context, reserve=_RESERVE_SECONDS)
    done = forget_old_deliveries(
        wired.database, wired.deferred, now=utc_now(), days=wired.retention_days, deadline=deadline
    )
    logger().info("old deliveries forgotten", **asdict(done))
    return asdict(done)


def take_record(record: SQSRecord) -> None:
    """Apply a deferred delivery, or keep what the deferred queue gave up. An exception brings the record back."""
    wired = dependencies()
    try:
        if record.event_source_arn.rpartition(":")[2] == wired.deferred.queue_url.rpartition("/")[2]:
            _replay_or_keep(wired, record.body)
        else:
            give_up(wired.database, REDACTORS, record.body)
    except Exception as error:
        logger().warning("message stays in its queue", message_id=record.message_id, kind=type(error).__name__)
        raise
