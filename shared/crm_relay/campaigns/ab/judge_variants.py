"""Takes the one look at every A/B test that has run long enough, and keeps what it says, also that nobody won."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_relay.campaigns.ab import store
from crm_relay.campaigns.ab.ab_test import Arm, VariantVerdict, judge, read_plan
from crm_relay.campaigns.variants import read_variants
from crm_relay.platform.database import Queryable, Row
from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.logging import logger


@dataclass(frozen=True)
class Judged:
    """A test that is over; `winner` None: no variant is better, or nothing can be said."""

    step_id: UUID
    winner: str | None
    reason: str


def judge_variants(db: Queryable, now: datetime) -> list[Judged]:
    """Tests that are over by this look. Two statements, whatever their number; safe to call twice and side by side.

    Only who got their variant `wait_hours` ago counts, and only what people did of it within that time: so everybody
    was watched for as long. A winner gets everybody who comes later; nothing that was sent changes.
    """
    found = []
    for row in store.open_tests(db, now):
        verdict = _verdict(row)
        if verdict is not None and verdict.is_final:
            found.append((row, verdict))
    if not found:
        return []
    kept = store.keep_verdicts(db, [_kept(row, verdict, now) for row, verdict in found], now)
    judged = [Judged(row["id"], verdict.winner, verdict.reason.value) for row, verdict in found if row["id"] in kept]
    for each in judged:
        logger().info("an A/B test is over", step=str(each.step_id), reason=each.reason, winner=each.winner)
    return judged


def _verdict(row: Row) -> VariantVerdict | None:
    """None for a test that cannot be read: it goes on for ever, and its step with it."""
    counts = {arm["id"]: arm for arm in row["arms"]}
    try:
        arms = [_arm(variant.id, variant.weight, counts) for variant in read_variants(row["ab_variants"])]
        return judge(arms, read_plan(row["ab_test"]))
    except RejectedInput as error:
        logger().warning("an A/B test cannot be judged", step=str(row["id"]), reason=error.message)
        return None


def _arm(variant: str, weight: float, counts: dict[str, Any]) -> Arm:
    found = counts.get(variant, {"recipients": 0, "conversions": 0})
    return Arm(variant, weight, found["recipients"], found["conversions"])


def _kept(row: Row, verdict: VariantVerdict, now: datetime) -> dict[str, Any]:
    recorded = {
        "winner": verdict.winner,
        "reason": verdict.reason.value,
        "p_value": verdict.p_value,
        "looked_at": now,
        **verdict.details,
    }
    return {"id": row["id"], "winner": verdict.winner, "verdict": recorded}
