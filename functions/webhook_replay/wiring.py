"""The outside world of webhook_replay, built once per execution environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from crm_relay.engagement.apply_delivery import apply_delivery
from crm_relay.inbox.defer import Deferred
from crm_relay.inbox.models import Delivered, Outcome
from crm_relay.inbox.replay import Applier, give_up, replay
from crm_relay.platform.database import Database, Runs
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.logging import logger
from crm_relay.platform.settings import read_settings
from crm_relay.providers.mautic import webhook
from webhook_replay.settings import Settings

_DATABASE_SECONDS = 10.0


def _apply_mautic(transaction: Runs, delivered: Delivered) -> Outcome:
    return apply_delivery(transaction, webhook.parse(delivered.body, now=delivered.received_at))


APPLIERS: Mapping[str, Applier] = {"mautic": _apply_mautic}
"""Source of a delivery -> who applies it."""


@dataclass(frozen=True)
class World:
    """What a message meets."""

    database: Database
    deferred: Deferred


def _build() -> World:
    settings = read_settings(Settings)
    database = Database(settings.database_url, ca_file=settings.database_ca_file, timeout=_DATABASE_SECONDS)
    return World(database, Deferred(settings.deferred_queue_url, settings.oversize_bucket))


world = PerEnvironment(_build)


def _replay_or_keep(database: Database, deferred: Deferred, text: str) -> None:
    try:
        replay(database, deferred, APPLIERS, text)
    except RejectedInput:
        # It will be no more understandable tomorrow: kept where an operator finds it, instead of a day in the queue.
        give_up(database, text)


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
