"""The engine's SQL; that of a campaign's life stands in lifecycle_store."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from crm_relay.campaigns.decisions import ERRORS_ALLOWED
from crm_relay.campaigns.engine.outcomes import LineSettled, StepOutcome
from crm_relay.mail.models import Settled
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)


def take_turn(db: Queryable, now: datetime) -> int:
    """Wait for other claimers, and end what was answered; how many sequences that ended. The first of a transaction."""
    return int(db.run(_SQL["take_turn"], now=now)[0]["stopped"])


def claim_due(db: Queryable, now: datetime, *, limit: int, with_mail: bool) -> list[Row]:
    """Locked until the transaction ends; `with_mail` False leaves those out whose next step is an e-mail."""
    return db.run(_SQL["claim_due"], now=now, limit=limit, with_mail=with_mail)


def record(db: Queryable, outcomes: Sequence[StepOutcome], now: datetime) -> int:
    """One statement; how many new lines there are in the log."""
    given = [asdict(outcome) for outcome in outcomes]
    return int(db.run(_SQL["record"], outcomes=Json(given), now=now, errors_allowed=ERRORS_ALLOWED)[0]["lines"])


def settle(db: Queryable, settled: Sequence[tuple[Settled, LineSettled]], now: datetime) -> None:
    """Safe to call twice: only what is pending changes."""
    given = [
        {"enrollment_id": each.enrollment_id, "sequence_id": each.sequence_id, **asdict(line)} for each, line in settled
    ]
    db.run(_SQL["settle"], settled=Json(given), now=now)


def stop_answered(db: Queryable, now: datetime) -> int:
    """How many sequences ended."""
    return int(db.run(_SQL["stop_answered"], now=now)[0]["stopped"])


def archive_lines(db: Queryable, *, before: datetime, limit: int) -> int:
    """How many lines went."""
    return int(db.run(_SQL["archive_lines"], before=before, limit=limit)[0]["lines"])
