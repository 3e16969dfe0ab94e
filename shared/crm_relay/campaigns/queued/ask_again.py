"""Steps that were held are asked again when their reason goes: a cap is removed, a window widened, a sender resumed."""

from datetime import datetime

from crm_relay.mail.holds.holds import as_rows, release_mail
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)


def ask_held_again(db: Database, now: datetime) -> int:
    """How many steps are due again; mail that waits is released with them. Safe to call twice and side by side."""
    return db.transact(lambda tx: _ask(tx, now))


def _ask(tx: Transaction, now: datetime) -> int:
    changes = release_mail(tx, now)
    return len(tx.run(_SQL["release_steps"], changes=as_rows(changes), now=now)) if changes else 0
