"""What single views of the operator's page cost where there is much: a million people, mails and enrollments."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from uuid import UUID

from benchmarks.figures import Figure, Subject, median
from benchmarks.servers import Servers
from crm_relay.campaigns.lifecycle.funnels import list_campaigns, show_campaign
from crm_relay.operations.overview.outstanding import outstanding
from crm_relay.operations.views.activity import activity
from crm_relay.operations.views.ahead import ahead
from crm_relay.operations.views.incidents import incidents_page
from crm_relay.operations.views.people import find_people, people_of_campaign
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.sql import parse_queries

_ROWS = 1_000_000
_LOOKS = 7
_CAMPAIGN = UUID("00000000-0000-4000-8000-0000000000aa")
_FILL = parse_queries(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
_NAMES = (
    "head",
    "ahead",
    "activity_7",
    "activity_90",
    "people",
    "campaigns",
    "campaign",
    "campaign_people",
    "incidents",
)


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        with login.as_owner() as owner:
            fill(owner, _ROWS)
        database = Database(login.url)
        for name, look in views(database, utc_now()).items():
            yield median(f"operations.view_ms.{name}", "ms with 1 M people, mails and enrollments", milliseconds(look))
        database.close()


def views(db: Database, now: datetime) -> Mapping[str, Callable[[], object]]:
    """What each view reads."""
    return {
        "head": lambda: outstanding(db, now),
        "ahead": lambda: ahead(db, now),
        "activity_7": lambda: activity(db, now, days=7, zone="Europe/Lisbon"),
        "activity_90": lambda: activity(db, now, days=90, zone="Europe/Lisbon"),
        "people": lambda: find_people(db, "person77", limit=26),
        "campaigns": lambda: list_campaigns(db, limit=26),
        "campaign": lambda: show_campaign(db, _CAMPAIGN, now),
        "campaign_people": lambda: people_of_campaign(db, _CAMPAIGN, status="replied", after=None, limit=26),
        "incidents": lambda: incidents_page(db, open_only=False, before=None, limit=26),
    }


def fill(owner: Database, rows: int) -> None:
    """So many people in one campaign, with a mail each and an open of each third mail."""
    owner.run_script("set session_replication_role = replica")  # counters and feeds are not what is measured
    for query in _FILL.values():
        owner.run(query, rows=rows)
    owner.run_script("set session_replication_role = default")
    owner.run_script("vacuum analyze contacts, campaign_enrollments, email_sends, email_logs")


def milliseconds(look: Callable[[], object]) -> Iterator[float]:
    """Of several looks, behind a first one."""
    look()
    for _ in range(_LOOKS):
        began = time.perf_counter()
        look()
        yield (time.perf_counter() - began) * 1000


SUBJECT = Subject(tuple(f"operations.view_ms.{name}" for name in _NAMES), _measure)
