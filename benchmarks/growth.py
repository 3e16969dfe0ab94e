"""How the cost of single questions grows with the tables: each at 10^4, 10^5 and 10^6 people, mails and enrollments."""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from benchmarks.figures import Figure, Subject
from benchmarks.page_views import fill, milliseconds, views
from benchmarks.servers import Servers
from crm_relay.campaigns.engine.run_due_steps import BATCH
from crm_relay.campaigns.engine.store import claim_due
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query

_SIZES = (10_000, 100_000, 1_000_000)
_LATER = timedelta(hours=10)
"""When one in 24 is due."""
_NAMES = ("claim", "waiting_batches", "head", "ahead", "activity_90", "campaign", "people")
_WAITING = Query.parse(
    "waiting",
    "as the worker looks for mail that waits",
    """select count(*) as n from email_batches
       where purpose = 'campaign' and state in ('queued', 'sending') and not_before <= now()""",
)


_FINISHED = Query.parse(
    "finished",
    "requests of long ago, which are kept as long as their mails",
    """insert into email_batches (org_id, state, not_before, finished_at)
       select default_org_id(), 'done', now(), now() from generate_series(1, :rows)""",
)


def _measure(servers: Servers) -> Iterator[Figure]:
    costs: dict[str, list[float]] = {name: [] for name in _NAMES}
    for rows in _SIZES:
        with servers.database() as login:
            with login.as_owner() as owner:
                fill(owner, rows)
                owner.run(_FINISHED, rows=rows)
                owner.run_script("analyze email_batches")
            database = Database(login.url, timeout=60)
            for name, look in _looks(database, utc_now()).items():
                costs[name].append(statistics.median(milliseconds(look)))
            database.close()
    for name, (least, *_, most) in costs.items():
        exponent = math.log(most / least) / math.log(_SIZES[-1] / _SIZES[0])
        shown = ", ".join(f"{each:.3g}" for each in costs[name])
        yield Figure(f"growth.{name}.exponent", exponent, f"of rows; {shown} ms at 10^4, 10^5, 10^6", len(_SIZES))


def _looks(db: Database, now: datetime) -> Mapping[str, Callable[[], object]]:
    seen = views(db, now)
    return {
        "claim": lambda: _claim(db, now + _LATER),
        "waiting_batches": lambda: db.run(_WAITING),
        **{name: seen[name] for name in _NAMES if name in seen},
    }


def _claim(db: Database, now: datetime) -> None:
    """A batch of people who are due; nothing is done with them, so that the next one finds the same."""
    claimed = db.transact(
        lambda tx: claim_due(tx, now, limit=BATCH, with_mail=True, campaigns=None, people=None, allowed=None)
    )
    if len(claimed) != BATCH:
        raise RuntimeError("too few people are due")


SUBJECT = Subject(tuple(f"growth.{name}.exponent" for name in _NAMES), _measure)
