"""Transactions that begin again where somebody else was quicker."""

from collections.abc import Callable
from typing import TypeVar

from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.errors import DuplicateRow, RejectedInput, TransientError

Done = TypeVar("Done")


def transact(database: Database, work: Callable[[Transaction], Done]) -> Done:
    """Run `work` in one transaction, and once more where its writes were refused.

    Between its reads and its writes the webhook may have brought the same event, or somebody deleted the customer: the
    second attempt knows. TransientError where that happens again. Errors as in Database.transact.
    """
    try:
        return database.transact(work)
    except RejectedInput:
        pass
    try:
        return database.transact(work)
    except DuplicateRow:
        raise TransientError("the same events come in by webhook at this moment") from None
