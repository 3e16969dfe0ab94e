"""What cache_digest is connected to, and its one use case."""

from collections.abc import Mapping, Sequence
from typing import Any

from cache_digest.settings import Settings
from crm_relay.edge_cache.dynamo.keep_digests import keep_digests
from crm_relay.installation.installation import install
from crm_relay.platform.execution_environment import PerEnvironment

installation = PerEnvironment(lambda: install(Settings))


def keep(records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html"""
    failed = keep_digests(installation().edge_digests, records)
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
