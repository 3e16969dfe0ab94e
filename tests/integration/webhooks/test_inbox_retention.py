"""Applied deliveries are forgotten after their days; what was never applied stays, and so does every effect."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database
from crm_relay.webhooks import retention
from crm_relay.webhooks.defer import LARGEST_BODY, Deferred
from crm_relay.webhooks.retention import Forgotten, forget_old_deliveries
from local.runtime.lambda_context import LocalLambdaContext
from local.template.template import SamTemplate
from tests.conftest import ROOT
from tests.support.customers.mautic_hooks import recorded
from tests.support.customers.mautic_webhook_function import deliver
from tests.support.platform.aws_of_a_test import Aws, running_aws
from tests.support.platform.counting_queries import CountingQueries
from tests.support.platform.rows import one, rows_of
from webhook_replay.handler import handler

NOW = datetime(2026, 6, 30, tzinfo=UTC)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """The bucket of this test."""
    with running_aws(monkeypatch) as running:
        yield running


def add(database: Database, key: str, *, days_ago: float, applied: bool = True, size: int = 10, at: str = "") -> None:
    rows_of(
        database,
        """insert into webhook_inbox (source, dedupe_key, body, object_key, received_at, applied_at)
           values ('mautic', :key, repeat('x', :size), nullif(:at, ''), :received,
               case when :applied then now() end)""",
        key=key,
        size=size,
        at=at,
        received=NOW - timedelta(days=days_ago),
        applied=applied,
    )


def forget(database: Database, aws: Aws, *, days: int = 30, seconds: float = 60) -> Forgotten:
    deferred = Deferred(aws.queue, aws.name)
    return forget_old_deliveries(database, deferred, now=NOW, days=days, deadline=Deadline.after(seconds))


def keys(database: Database) -> list[str]:
    return [row["dedupe_key"] for row in rows_of(database, "select dedupe_key from webhook_inbox order by 1")]


def objects(aws: Aws) -> list[str]:
    return [each["Key"] for each in aws.s3.list_objects_v2(Bucket=aws.name).get("Contents", [])]


def test_old_applied_deliveries_go_and_nothing_else(database: Database, database_url: str, aws: Aws) -> None:
    aws.configure(database_url)
    add(database, "old", days_ago=30.1)
    add(database, "young", days_ago=29.9)
    add(database, "waiting", days_ago=400, applied=False)

    assert forget(database, aws) == Forgotten(deliveries=1, objects=0, unfinished=False)
    assert keys(database) == ["waiting", "young"]
    assert forget(database, aws) == Forgotten(deliveries=0, objects=0, unfinished=False)


def test_a_large_body_goes_from_the_bucket_as_well(database: Database, database_url: str, aws: Aws) -> None:
    aws.configure(database_url)
    add(database, "large", days_ago=40, size=LARGEST_BODY + 1)
    add(database, "elsewhere", days_ago=40, at="oversize/mautic/named")
    add(database, "young", days_ago=1, size=LARGEST_BODY + 1)
    for name in ("large", "named", "young", "deferred"):
        aws.s3.put_object(Bucket=aws.name, Key=f"oversize/mautic/{name}", Body=b"x")

    assert forget(database, aws) == Forgotten(deliveries=2, objects=2, unfinished=False)
    assert objects(aws) == ["oversize/mautic/deferred", "oversize/mautic/young"]


@pytest.mark.parametrize(("rows", "statements"), [(10, 2), (999, 2), (2500, 6)])
def test_a_batch_costs_two_statements_whatever_its_size(
    database: Database, database_url: str, aws: Aws, rows: int, statements: int
) -> None:
    aws.configure(database_url)
    rows_of(
        database,
        """insert into webhook_inbox (source, dedupe_key, body, received_at, applied_at)
           select 'mautic', number::text, 'x', :at, now() from generate_series(1, :rows) number""",
        at=NOW - timedelta(days=31),
        rows=rows,
    )
    counted = CountingQueries(database)

    done = forget_old_deliveries(counted, Deferred(aws.queue, aws.name), now=NOW, days=30, deadline=Deadline.after(60))

    assert (done.deliveries, counted.statements) == (rows, statements)


def test_without_time_nothing_is_begun(database: Database, database_url: str, aws: Aws) -> None:
    aws.configure(database_url)
    add(database, "old", days_ago=31)

    assert forget(database, aws, seconds=retention._BATCH_SECONDS / 2) == Forgotten(0, 0, unfinished=True)
    assert keys(database) == ["old"]


def test_the_nightly_schedule_forgets_and_leaves_the_effects(database: Database, database_url: str, aws: Aws) -> None:
    aws.configure(database_url, INBOX_RETENTION_DAYS="7")
    deliver(recorded("97_hook_unsubscribe_get__lead_channel_subscription_changed").body)
    rows_of(database, "update webhook_inbox set received_at = now() - interval '8 days'")
    event = json.loads((ROOT / "events/webhook_replay/nightly.json").read_text())
    definition = SamTemplate.read(ROOT / "template.yaml").functions["webhook_replay"]

    answer = handler(event, LocalLambdaContext.of(definition))

    assert answer == {"deliveries": 1, "objects": 0, "unfinished": False}
    assert keys(database) == []
    row = one(database, "select count(*) as n from customer_email_engagement where raw_payload is not null")
    assert row == {"n": 1}
