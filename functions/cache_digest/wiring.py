"""The outside world of cache_digest, built once per execution environment."""

from collections.abc import Mapping, Sequence
from typing import Any

from cache_digest.settings import Settings
from crm_relay.edge_cache.dynamo.dynamo_digests import DynamoDigests
from crm_relay.edge_cache.dynamo.keep_digests import keep_digests
from crm_relay.platform.aws.dynamo import Table
from crm_relay.platform.execution_environment import PerEnvironment
from crm_relay.platform.settings import read_settings

world = PerEnvironment(lambda: DynamoDigests(Table(read_settings(Settings).edge_cache_table)))


def keep(records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html"""
    return {"batchItemFailures": [{"itemIdentifier": number} for number in keep_digests(world(), records)]}
