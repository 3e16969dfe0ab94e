"""What webhook_replay depends on, built once per execution environment."""

from collections.abc import Mapping, Sequence
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
from crm_relay.webhooks.replay import give_up, replay_all
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


def perform(event: dict[str, Any], context: LambdaContext) -> Any:
    """Each record of a queue; an event without any is the schedule's."""
    if "Records" not in event:
        return forget(context)
    failures = replay_messages(event["Records"])

    def take(record: SQSRecord) -> None:
        take_record(record, failures.get(record.message_id), is_deferred=record.message_id in failures)

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=event, record_handler=take, processor=processor)


def replay_messages(records: Sequence[Mapping[str, Any]]) -> dict[str, Exception | None]:
    """What kept a message of the deferred queue from being applied, by its id; those of another queue are left out."""
    wired = dependencies()
    name = wired.deferred.queue_url.rpartition("/")[2]
    deferred = {
        each["messageId"]: each["body"] for each in records if each["eventSourceARN"].rpartition(":")[2] == name
    }
    failures = replay_all(wired.database, wired.deferred, wired.sources, list(deferred.values()))
    return dict(zip(deferred, failures, strict=True))


def forget(context: LambdaContext) -> dict[str, Any]:
    """Delete deliveries past their time; what does not fit into this run is left to the next night's."""
    wired = dependencies()
    deadline = Deadline.of_invocation(context, reserve=_RESERVE_SECONDS)
    done = forget_old_deliveries(
        wired.database, wired.deferred, now=utc_now(), days=wired.retention_days, deadline=deadline
    )
    logger().info("old deliveries forgotten", **asdict(done))
    return asdict(done)


def take_record(record: SQSRecord, failure: Exception | None, *, is_deferred: bool) -> None:
    """Keep what the deferred queue gave up, and what will never be understood. An exception brings the record back."""
    try:
        _raise_what_may_pass(failure)
        if failure is not None or not is_deferred:
            # It will be no more understandable tomorrow: kept where an operator finds it, not for a day in the queue.
            give_up(dependencies().database, REDACTORS, record.body)
    except Exception as error:
        logger().warning("message stays in its queue", message_id=record.message_id, kind=type(error).__name__)
        raise


def _raise_what_may_pass(failure: Exception | None) -> None:
    if failure is not None and not isinstance(failure, RejectedInput):
        raise failure
