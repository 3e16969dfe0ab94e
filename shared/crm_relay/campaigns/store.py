"""The engine's SQL; that of a campaign's life stands in lifecycle_store."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.campaigns.outcomes import LineSettled, Outcome
from crm_relay.delivery.models import Settled
from crm_relay.platform.database import Row, Runs
from crm_relay.platform.sql import Json, queries_beside

_SQL = queries_beside(__file__)
ERRORS_ALLOWED = 3
"""With so many errors an enrollment is paused."""


def take_turn(db: Runs, now: datetime) -> int:
    """Wait for other claimers, and end what was answered; how many sequences that ended. The first of a transaction."""
    return int(db.run(_SQL["take_turn"], now=now)[0]["stopped"])


def claim_due(db: Runs, now: datetime, *, at_most: int, with_mail: bool) -> list[Row]:
    """Locked until the transaction ends; `with_mail` False leaves those out whose next step is an e-mail."""
    return db.run(_SQL["claim_due"], now=now, at_most=at_most, with_mail=with_mail)


def record(db: Runs, outcomes: Sequence[Outcome], now: datetime) -> int:
    """One statement; how many new lines there are in the log."""
    given = [asdict(outcome) for outcome in outcomes]
    return int(db.run(_SQL["record"], outcomes=Json(given), now=now, errors_allowed=ERRORS_ALLOWED)[0]["lines"])


def settle(db: Runs, settled: Sequence[tuple[Settled, LineSettled]], now: datetime) -> None:
    """Safe to call twice: only what is pending changes."""
    given = [
        {"enrollment_id": each.enrollment_id, "sequence_id": each.sequence_id, **asdict(line)} for each, line in settled
    ]
    db.run(_SQL["settle"], settled=Json(given), now=now)


def stop_answered(db: Runs, now: datetime) -> int:
    """How many sequences ended."""
    return int(db.run(_SQL["stop_answered"], now=now)[0]["stopped"])


def stop_for_address(
    db: Runs, org_id: UUID | None, address: str, *, topic: str | None, status: str, reason: str, now: datetime
) -> int:
    """How many sequences ended."""
    rows = db.run(
        _SQL["stop_for_address"], org_id=org_id, address=address, topic=topic, status=status, reason=reason, now=now
    )
    return int(rows[0]["stopped"])


def follow_mail_event(db: Runs, event: Mapping[str, Any]) -> str:
    """'processed', 'duplicate' or 'unmatched'."""
    return str(db.run(_SQL["follow_mail_event"], event=Json(dict(event)))[0]["outcome"])


def claim_text(db: Runs, now: datetime, *, claimed_until: datetime) -> Row | None:
    """The columns of a QueuedText; None where no message is due and free."""
    rows = db.run(_SQL["claim_text"], now=now, claimed_until=claimed_until)
    return rows[0] if rows else None


def record_text(
    db: Runs,
    message_id: UUID,
    now: datetime,
    *,
    status: str,
    reason: str | None,
    sid: str | None,
    not_before: datetime | None,
    line: Mapping[str, Any] | None,
) -> None:
    """`line` is what becomes of the step, None: it stays pending."""
    db.run(
        _SQL["record_text"],
        id=message_id,
        now=now,
        status=status,
        reason=reason,
        sid=sid,
        not_before=not_before,
        line=None if line is None else Json(dict(line)),
    )


def open_tests(db: Runs, now: datetime) -> list[Row]:
    """id, ab_test, ab_variants, and `arms`: a list of id, recipients and conversions."""
    return db.run(_SQL["open_tests"], now=now)


def keep_verdicts(db: Runs, verdicts: Sequence[Mapping[str, Any]], now: datetime) -> frozenset[UUID]:
    """Each has id, winner and verdict; the ids of those that nobody had judged before."""
    rows = db.run(_SQL["keep_verdicts"], verdicts=Json([dict(each) for each in verdicts]), now=now)
    return frozenset(row["id"] for row in rows)


def archive_lines(db: Runs, *, before: datetime, at_most: int) -> int:
    """How many lines went."""
    return int(db.run(_SQL["archive_lines"], before=before, at_most=at_most)[0]["lines"])


def count_of_person(db: Runs, addresses: list[str], phones: list[str]) -> Row:
    """Table -> rows."""
    return db.run(_SQL["count_of_person"], addresses=addresses, phones=phones)[0]


def erase_person(db: Runs, addresses: list[str], phones: list[str], now: datetime) -> Row:
    """Table -> rows. Safe to call twice."""
    return db.run(_SQL["erase_person"], addresses=addresses, phones=phones, now=now)[0]


def enrollments_of(db: Runs, addresses: list[str], *, at_most: int) -> list[Row]:
    """Newest first."""
    return db.run(_SQL["enrollments_of"], addresses=addresses, at_most=at_most)
