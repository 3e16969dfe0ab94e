"""The one way out of a suppression: somebody consented again, and there is evidence of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_relay.consent.models import ConsentChannel, ConsentEvent, ConsentKind
from crm_relay.consent.store import insert_consent
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.logging import logger


@dataclass(frozen=True)
class Granted:
    """Customers with that address; of these, those that something else than an opt-out keeps muted."""

    customers: int
    do_not_contact: int
    invalid_address: int


def grant_consent(
    db: Queryable,
    address: str,
    *,
    evidence: str,
    granted_by: str,
    now: datetime,
    channel: ConsentChannel = ConsentChannel.EMAIL,
    org_id: UUID | None = None,
) -> Granted:
    """Record a consent for `address` and lift the opt-out of the customers and contacts who have it.

    `evidence` says how it can be proven (a form's record, a letter), `granted_by` whose token did it. Every call is a
    line of its own. It holds in one organization, and against what happened before `now`: an opt-out of that very
    moment wins, and a `now` ahead of the database's clock counts as that clock's. RejectedInput without evidence or for
    what is no address of the channel.
    """
    key = ConsentEvent(ConsentKind.CONSENT, address, granted_by, now, channel).key
    if key is None:
        raise RejectedInput(f"address: not an address of the channel {channel}")
    if not evidence.strip():
        raise RejectedInput("evidence: say how this consent can be proven")
    counts = insert_consent(
        db, channel=channel, address=key, source=granted_by, evidence=evidence.strip(), at=now, org_id=org_id
    )
    # Beside the line in the ledger, which names the same; the address stays there.
    logger().info("consent granted", by=granted_by, channel=channel.value, org_id=org_id and str(org_id))
    return Granted(**counts)
