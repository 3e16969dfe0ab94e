"""The day's figures of each provider, and whether one of them fell."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_relay.incidents.models import Incident
from crm_relay.incidents.record import keep_open
from crm_relay.outreach import store
from crm_relay.outreach.reporting.reply_rates import DAYS, DAYS_BEFORE, ReplyRates, judge_rates, shown
from crm_relay.platform.database import Queryable, Row


@dataclass(frozen=True)
class ProviderReport:
    """Rows of the day, and what was found: falls of reply rates, and counters that are not the sum of their log."""

    rows: int
    drops: list[Row]
    drift: list[Row]


def report_providers(db: Queryable, now: datetime) -> ProviderReport:
    """Safe to call twice a day: the second time adds what was sent since the first. Six statements."""
    rows = store.snapshot_providers(db, now)
    found = store.reply_rates(db, now, days=DAYS, days_before=DAYS_BEFORE)
    drops = [shown(fall) for row in found if (fall := judge_rates(ReplyRates(**row))) is not None]
    keep_open(db, "provider_drop", [_fall(drop) for drop in drops], now)
    # A zone may have another month than UTC; the month before still gets late events.
    drift = [row | {"month": month} for month in months_around(now) for row in store.metric_drift(db, month)]
    keep_open(db, "metric_drift", _differences(drift), now)
    return ProviderReport(rows, drops, drift)


def months_around(now: datetime) -> list[str]:
    """First days of the months that may have changed lately, the older one first."""
    days = {(now + timedelta(days=shift)).date().replace(day=1) for shift in (1, -1)}
    this = max(days)
    return [each.isoformat() for each in sorted({*days, (this - timedelta(days=1)).replace(day=1)})]


def _fall(drop: Row) -> Incident:
    name, provider = drop["workspace_name"], drop["email_provider"]
    title = f"The reply rate fell from {drop['previous_rate']} % to {drop['current_rate']} %"
    return Incident("provider_drop", f"{provider} in {name}", title, name)


def _differences(drift: list[Row]) -> list[Incident]:
    months = sorted({(row["workspace_name"], row["month"]) for row in drift})
    title = "Counters differ from the delivery log: crm-relay bison rebuild-metrics shows by how much"
    return [Incident("metric_drift", f"{name} {month[:7]}", title, name) for name, month in months]
