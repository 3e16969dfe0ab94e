"""Adds to the totals of campaigns what could not be added at once."""

from collections.abc import Sequence
from uuid import UUID

from crm_relay.campaigns.watch import store
from crm_relay.platform.database import Queryable
from crm_relay.platform.errors import OF_ONE_ROW, describe_error
from crm_relay.platform.logging import logger
from crm_relay.rules.in_parts import in_parts


def fold_totals(db: Queryable) -> int:
    """How many campaigns had changes that waited. Never waits for a lock; safe to call twice and side by side.

    A campaign that the database refuses to change keeps its changes, and no other from being counted.
    """
    try:
        return store.fold_totals(db)
    except OF_ONE_ROW:
        return _in_parts(db)


def _in_parts(db: Queryable) -> int:
    folded = 0

    def fold(part: Sequence[UUID]) -> None:
        nonlocal folded
        folded += store.fold_totals(db, part)

    for campaign, why in in_parts(store.changed_campaigns(db), fold).items():
        logger().error("totals of a campaign cannot be counted", campaign=str(campaign), reason=describe_error(why))
    return folded
