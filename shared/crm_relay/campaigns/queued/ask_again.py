"""Steps that were held are asked again when their reason goes: a cap is removed, a window widened, a sender resumed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from crm_relay.campaigns.watch.refused import STEP, SetAside, set_aside_all
from crm_relay.mail.holds.holds import HoldChange, as_rows, release_mail, release_mail_of, take_changes
from crm_relay.platform.database import Database, Queryable, Transaction
from crm_relay.platform.errors import OF_ONE_ROW
from crm_relay.platform.logging import logger
from crm_relay.platform.sql import queries_beside
from crm_relay.rules.in_parts import in_parts

_SQL = queries_beside(__file__)


def ask_held_again(db: Database, now: datetime) -> int:
    """How many steps are due again; mail that waits is released with them. Safe to call twice and side by side.

    Somebody whose row cannot be changed is set aside with an incident. Mail that cannot be released leaves at the end
    of its hold.
    """
    try:
        return db.transact(lambda tx: _ask(tx, now))
    except OF_ONE_ROW:
        return _ask_in_parts(db, now)


def _ask(tx: Transaction, now: datetime) -> int:
    changes = release_mail(tx, now)
    return _release(tx, changes, None, now) if changes else 0


def _ask_in_parts(db: Database, now: datetime) -> int:
    changes = db.transact(take_changes)
    in_vain = in_parts(changes, lambda part: release_mail_of(db, part, now))
    if in_vain:
        logger().error("mail cannot be released before the end of its hold", extra={"changes": len(in_vain)})
    released: list[int] = []
    people = [row["id"] for row in db.run(_SQL["held_steps"], changes=as_rows(changes), now=now)]
    found = in_parts(people, lambda part: released.append(_release(db, changes, part, now)))
    set_aside_all(db, [SetAside(STEP, person, why=why) for person, why in found.items()], now)
    return sum(released)


def _release(db: Queryable, changes: Sequence[HoldChange], people: Sequence[UUID] | None, now: datetime) -> int:
    only = None if people is None else list(people)
    return len(db.run(_SQL["release_steps"], changes=as_rows(changes), people=only, now=now))
