"""Who is not added to an audience, since they left anywhere."""

from collections.abc import Sequence

from crm_relay.connections.audiences import store
from crm_relay.connections.audiences.decisions import bar, suppressions
from crm_relay.connections.records.stream_run import StreamRun
from crm_relay.providers.connectors.contract import AudienceStream


def barred(run: StreamRun, addresses: Sequence[str]) -> dict[str, str]:
    """Address -> why nobody with it is added; empty of a stream without standings. Two statements."""
    if not addresses or not isinstance(run.stream, AudienceStream):
        return {}
    statement = store.facts_of(run.key.org_id, addresses)
    suppressed = suppressions(run.key.org_id, run.db.run(statement.query, **statement.values))
    left = store.left_among(run.db, run.key, addresses)
    reasons = {address: bar(suppressed.get(address), left.get(address)) for address in addresses}
    return {address: reason for address, reason in reasons.items() if reason is not None}
