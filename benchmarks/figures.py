"""What a benchmark yields, and the goals it is held against."""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.servers import Servers

# At most this. Counts are the same everywhere and are tested (tests/repository/test_bench.py); times are only shown.
GOALS = {
    "mautic_webhook.round_trips": 2.0,
    "mautic_sync.requests_per_1000_changed": 10.0,
    "mautic_sync.statements_per_1000_changed": 40.0,
    "mautic_sync.idle_requests": 0.0,
    "bison_webhook.round_trips": 2.0,
    "bison_webhook.p99_ms": 25.0,
    "bison_poll.statements_per_1000_accounts": 80.0,
    "campaign_cron.statements_per_batch_of_100": 12.0,
    "campaign_cron.requests_per_100_emails": 1.0,
    "campaign_cron.schedule_1m_seconds": 60.0,
    "campaign_simulate.seconds_10k_recipients_30_days": 60.0,
    "resend_webhook.round_trips": 2.0,
    "side_by_side.resend_opened": 1.0,
    "side_by_side.resend_clicked": 1.0,
    "side_by_side.resend_bounced": 1.1,
    "side_by_side.resend_complained": 1.1,
    **dict.fromkeys((f"side_by_side.bison_{kind}" for kind in ("sent", "replied", "interested", "bounced")), 1.05),
    **dict.fromkeys((f"side_by_side.mautic_{kind}" for kind in ("opened", "unsubscribed", "bounced", "ten")), 1.3),
    **dict.fromkeys((f"side_by_side.at_2_ms.{source}_bounced" for source in ("resend", "bison", "mautic")), 0.9),
    **dict.fromkeys((f"side_by_side.at_2_ms.resend_{kind}" for kind in ("opened", "clicked", "complained")), 0.9),
    **dict.fromkeys((f"side_by_side.at_2_ms.bison_{kind}" for kind in ("sent", "replied", "interested")), 0.9),
    **dict.fromkeys((f"side_by_side.at_2_ms.mautic_{kind}" for kind in ("opened", "unsubscribed", "ten")), 0.9),
    "webhook_health_ms_1m_deliveries": 200.0,
    "provider_drop_check_ms": 200.0,
    "integrity.read_share_1m": 0.01,
    "integrity.postgres_digest_seconds_1m": 30.0,
    "operations.dashboard_data_ms": 300.0,
    **dict.fromkeys(
        (f"operations.view_ms.{view}" for view in ("head", "ahead", "activity_7", "people", "campaigns")), 300.0
    ),
    **dict.fromkeys(
        (f"operations.view_ms.{view}" for view in ("activity_90", "campaign", "campaign_people", "incidents")), 300.0
    ),
    "cache_sync.writes_per_changed_row": 1.05,
    "cache_sync.statements_per_1000_rows": 10.0,
    "notify.statements_per_1000_recipients": 6.0,
    "notification_cron.idle_statements": 3.0,
    "notification_cron.digest_10k_users_seconds": 30.0,
    "workflow_cron.statements_per_100_steps": 14.0,
    "workflow_cron.idle_statements": 3.0,
    "notifications.insert_to_change_p95_ms": 100.0,
    "workflow.trigger_overhead_percent": 5.0,
    "workflow.trigger_overhead_other_column_percent": 10.0,
    "workflow.us_per_event_row": 25.0,
    "workflow.rehearse_100k_seconds": 30.0,
    "workflow.event_to_action_p95_s": 2.0,
    "workflow.event_to_action_without_wake_s": 60.0,
    # A hundred writes of ten, which is the limit of the service, the schema and one page.
    "connections.requests_per_1000.airtable": 102.0,
    "connections.requests_per_1000.gmail_idle": 1.0,
    "connections.idle_requests": 1.0,
    "connections.requests_per_1000.mailchimp_new": 4.0,
    "connections.requests_per_1000.mailchimp_changed": 10.0,
    "connections.mailchimp_idle_requests": 1.0,
    "connections.statements_per_1000_records": 12.0,
    "connections.refresh_storm_requests": 1.0,
    "connections.full_compare_100k_seconds": 60.0,
    "stack.idle_core_percent": 1.0,
    "cli.help_ms": 500.0,
    "bundle.layer_mb": 15.0,
}


@dataclass(frozen=True)
class Figure:
    """One number; `runs` is how many measurements it is the median (or the named percentile) of."""

    name: str
    value: float
    unit: str
    runs: int

    @property
    def goal(self) -> float | None:
        """At most this; None where nothing was promised."""
        return GOALS.get(self.name)

    def as_json(self) -> dict[str, object]:
        """Its entry in build/bench.json; four significant digits are more than a repeated run agrees on."""
        return {"value": float(f"{self.value:.4g}"), "unit": self.unit, "n": self.runs}


@dataclass(frozen=True)
class Subject:
    """Figures that are measured together; `names` are known beforehand, so that a run can be narrowed.

    `is_asked_by_its_beginning`: only by a word that its names begin with, since they name the functions of others.
    """

    names: tuple[str, ...]
    measure: Callable[["Servers"], Iterable[Figure]]
    is_asked_by_its_beginning: bool = False

    def is_wanted(self, words: Sequence[str]) -> bool:
        """Whether a figure's name contains one of `words`; without words everything is wanted."""
        return not words or any(self._matches(name, word) for name in self.names for word in words)

    def _matches(self, name: str, word: str) -> bool:
        return name.startswith(word) if self.is_asked_by_its_beginning else word in name


def median(name: str, unit: str, values: Iterable[float]) -> Figure:
    """The middle of several runs."""
    measured = list(values)
    return Figure(name, statistics.median(measured), unit, len(measured))


def percentiles(prefix: str, unit: str, values: Sequence[float]) -> Iterator[Figure]:
    """`<prefix>p50_ms` and `<prefix>p99_ms` of single durations in seconds."""
    ranks = statistics.quantiles(values, n=100)
    for rank in (50, 99):
        yield Figure(f"{prefix}p{rank}_ms", ranks[rank - 1] * 1000, unit, len(values))
