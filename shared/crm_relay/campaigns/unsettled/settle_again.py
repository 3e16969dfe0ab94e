"""Settles the steps whose rows were locked or refused when the fate of their messages was recorded."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.engine.settle import settle_what_can_be
from crm_relay.campaigns.unsettled.store import forget_unsettled, is_anything_unsettled, lock_unsettled
from crm_relay.campaigns.watch.refused import STEP, SetAside, set_aside_all
from crm_relay.platform.database import Database, Transaction

_AT_ONCE = 200


def settle_again(db: Database, now: datetime, people: Sequence[UUID] | None = None) -> int:
    """How many are settled now; one statement where none waits. Safe to call twice and side by side.

    Whose row is refused is set aside with an incident; whose is locked waits. `people` None: everybody.
    """
    return db.transact(lambda tx: _settle_again(tx, people, now)) if is_anything_unsettled(db) else 0


def _settle_again(tx: Transaction, people: Sequence[UUID] | None, now: datetime) -> int:
    number = 0
    for channel, settled in lock_unsettled(tx, people, limit=_AT_ONCE).items():
        waiting = settle_what_can_be(tx, settled, channel, now, keeps=False)
        done = [each.send_id for each in settled if each not in waiting]
        forget_unsettled(tx, done)
        number += len(done)
        refused = {each.entity_id: why for each, why in waiting.items() if why is not None and each.entity_id}
        set_aside_all(tx, [SetAside(STEP, person, why=why) for person, why in refused.items()], now)
        if people is not None and refused:
            raise next(iter(refused.values()))
    return number
