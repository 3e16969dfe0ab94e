"""What somebody orders of a pitch: send it, cancel it, or say what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from crm_relay.connections.pitches.park import pitch_goes_on
from crm_relay.platform.database import Database, Row, Transaction
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.sql import Query, queries_beside

_SQL: dict[str, Query] = queries_beside(__file__)
OPERATOR = "operator"
"""Who did it, where it was done at the command line."""


class PitchOrder(StrEnum):
    """`sent` and `not-sent` settle one of an unknown fate."""

    SEND = "send"
    CANCEL = "cancel"
    SENT = "sent"
    NOT_SENT = "not-sent"


@dataclass(frozen=True)
class PitchOrdered:
    """`status` as it is now. `changed` False: it was so before."""

    id: UUID
    order: PitchOrder
    status: str
    changed: bool


_MAY = {
    PitchOrder.SEND: frozenset({"draft", "refused", "dry_run", "failed", "cancelled"}),
    PitchOrder.CANCEL: frozenset({"draft", "queued", "sending"}),
    PitchOrder.SENT: frozenset({"unknown"}),
    PitchOrder.NOT_SENT: frozenset({"unknown"}),
}
_DONE = {
    PitchOrder.SEND: frozenset({"queued", "sending"}),
    PitchOrder.CANCEL: frozenset({"cancelled"}),
    PitchOrder.SENT: frozenset({"sent"}),
    PitchOrder.NOT_SENT: frozenset({"failed"}),
}
"""What the order leads to: nothing is changed there."""


def order_pitch(db: Database, pitch_id: UUID, order: PitchOrder, who: str, now: datetime) -> PitchOrdered:
    """Safe to call twice. RejectedInput: 404 for an unknown pitch, 409 where it cannot be done now."""
    return db.transact(lambda tx: _order(tx, pitch_id, order, who, now))


def _order(tx: Transaction, pitch_id: UUID, order: PitchOrder, who: str, now: datetime) -> PitchOrdered:
    rows = tx.run(_SQL["lock_pitch"], id=pitch_id)
    if not rows:
        raise RejectedInput("no such pitch", status=404)
    row = rows[0]
    if _is_done(row, order):
        return PitchOrdered(pitch_id, order, row["status"], changed=False)
    _refuse(row, order)
    _DO[order](tx, pitch_id, now)
    tx.run(_SQL["note_order"], org=row["org_id"], id=pitch_id, change=f"pitch_{order.name.lower()}", now=now, who=who)
    after = tx.run(_SQL["lock_pitch"], id=pitch_id)[0]
    return PitchOrdered(pitch_id, order, after["status"], changed=True)


def _is_done(row: Row, order: PitchOrder) -> bool:
    if order is PitchOrder.SEND and row["cancelled_at"] is not None:
        return False
    is_cancelling = order is PitchOrder.CANCEL and row["cancelled_at"] is not None
    return row["status"] in _DONE[order] or (is_cancelling and row["status"] in {"queued", "sending"})


def _refuse(row: Row, order: PitchOrder) -> None:
    status = row["status"]
    if order is PitchOrder.SEND and row["erased_at"] is not None:
        raise RejectedInput("the person was erased, and the text with them", status=409)
    if order is PitchOrder.CANCEL and row["left_at"] is not None:
        raise RejectedInput("it may have left: it is looked for in the mailbox first", status=409)
    if status not in _MAY[order]:
        raise RejectedInput(f"it cannot be done with a pitch that is {status}", status=409)


def _settle(tx: Transaction, pitch_id: UUID, now: datetime, *, was_sent: bool) -> None:
    tx.run(_SQL["settle_pitch"], id=pitch_id, was_sent=was_sent, now=now)
    pitch_goes_on(tx, [pitch_id], now)


_DO: dict[PitchOrder, Callable[[Transaction, UUID, datetime], object]] = {
    PitchOrder.SEND: lambda tx, pitch, now: tx.run(_SQL["queue_pitch"], id=pitch, now=now),
    PitchOrder.CANCEL: lambda tx, pitch, now: tx.run(_SQL["cancel_pitch"], id=pitch, now=now),
    PitchOrder.SENT: lambda tx, pitch, now: _settle(tx, pitch, now, was_sent=True),
    PitchOrder.NOT_SENT: lambda tx, pitch, now: _settle(tx, pitch, now, was_sent=False),
}
