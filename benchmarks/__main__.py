"""`python -m benchmarks [word...]`: measures everything, or only subjects with a figure whose name contains a word.

Cold starts, for which the bundle is built, are chosen by the beginning of their names: `cold_start.mautic_webhook`.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console

from benchmarks import (
    airtable_sync,
    bundle,
    cache_sync,
    campaign_simulate,
    campaigns,
    connections,
    database,
    dirty_list,
    gmail_sync,
    growth,
    integrity,
    mailchimp_sync,
    mautic_sync,
    mautic_webhook,
    million,
    notification_changes,
    notifications,
    operations,
    outreach,
    page_views,
    side_by_side,
    stack,
    sync_process,
    webhook_costs,
    workflow_events,
    workflow_latency,
    workflow_rehearsal,
    workflows,
)
from benchmarks.figures import Figure, Subject
from benchmarks.machine import describe_machine
from benchmarks.report import RESULT, keep, show
from benchmarks.servers import ROOT, Servers

SUBJECTS = (
    tuple(
        each.SUBJECT
        for each in (
            database,
            mautic_webhook,
            mautic_sync,
            sync_process,
            million,
            dirty_list,
            outreach,
            webhook_costs,
            campaigns,
            campaign_simulate,
            cache_sync,
            integrity,
            notification_changes,
            notifications,
            operations,
            page_views,
            growth,
            workflows,
            workflow_events,
            workflow_latency,
            workflow_rehearsal,
            airtable_sync,
            gmail_sync,
            mailchimp_sync,
            connections,
            stack,
            bundle,
        )
    )
    + side_by_side.SUBJECTS
)


def main(words: Sequence[str]) -> int:
    """0 where all was measured, whatever the goals; 1 where a subject failed; 2 where no figure has such a name."""
    wanted = [subject for subject in SUBJECTS if subject.is_wanted(words)]
    if not wanted:
        names = "\n".join(name for subject in SUBJECTS for name in subject.names)
        sys.stderr.write(f"no figure's name contains {' or '.join(words)}; there are:\n{names}\n")
        return 2
    # The functions' own log would stand between the figures.
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    machine = describe_machine()
    figures: list[Figure] = []
    failed: list[str] = []
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        # One by one, so that what was measured before a run is interrupted is shown as well.
        figures.extend(_measured(wanted, failed))
    finally:
        show(console, machine, figures)
    keep(figures)
    console.print(f"kept in {RESULT.relative_to(ROOT)}")
    return 1 if failed else 0


def _measured(wanted: Sequence[Subject], failed: list[str]) -> Iterator[Figure]:
    """The figures of all subjects; of one that fails, those before its failure. Its first name goes to `failed`."""
    progress = Console(stderr=True)
    with Servers() as servers, progress.status("starting") as status:
        for subject in wanted:
            status.update(f"measuring {subject.names[0].partition('.')[0]}")
            try:
                for figure in subject.measure(servers):
                    status.update(f"measuring after {figure.name}")
                    yield figure
            except Exception:  # noqa: BLE001 - whatever one subject raises, the others are measured
                failed.append(subject.names[0])
                progress.print_exception(max_frames=8)
                progress.print(f"not measured: {', '.join(subject.names)}, or the rest of them")


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    # Otherwise the servers would outlive this process.
    signal.signal(signal.SIGTERM, _stop)
    raise SystemExit(main(sys.argv[1:]))
