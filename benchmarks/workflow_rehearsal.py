"""How long a rehearsal of 100,000 events takes, and how much memory."""

import resource
import time
from collections.abc import Iterator
from datetime import timedelta

from benchmarks.figures import Figure, Subject
from benchmarks.servers import Login, Servers
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.workflows.definition.drafts import create
from crm_relay.workflows.rehearsal.rehearse import MOST_EVENTS, rehearse

_DEALS = 20_000
_DRAFT = {
    "name": "Won",
    "entityType": "deal",
    "definition": {
        "triggers": [{"type": "status_change", "field": "stage"}],
        "conditions": [{"field": "value", "operator": "gte", "value": 10}],
        "settings": {"reEntry": "parallel", "startsPerMinute": 100_000, "atMost": {"emails": 50_000}},
        "actions": [
            {
                "type": "send_email",
                "config": {"subject": "Hello {{contact.first_name}}", "html": "<p>{{deal.name}}</p>"},
            },
            {"type": "wait", "config": {"days": 2}},
            {"type": "create_task", "config": {"title": "Call about {{deal.name}}"}},
        ],
    },
}
_FILL = f"""
    update organizations set postal_address = '1 Example Street';
    with person as (
        insert into contacts (email, first_name)
        select 'p' || n || '@example.com', 'P' || n from generate_series(1, {_DEALS}) n returning id
    )
    insert into deals (name, value, lead_contact_id) select 'Deal', 50, id from person;
    truncate entity_events;
    insert into entity_events (org_id, entity_type, entity_id, kind, topic, changed, occurred_at)
    select default_org_id(), 'deal', deal.id, 'changed', 'stage', '{{"stage": ["open", "won"]}}',
        now() - interval '6 days' + n * interval '4 seconds'
    from generate_series(1, {MOST_EVENTS}) n
    join (select id, row_number() over () as place from deals) deal on deal.place = n % {_DEALS} + 1
    order by n;
    analyze
"""


def _rehearsal(login: Login) -> Iterator[Figure]:
    with login.as_owner() as owner:
        owner.run_script(_FILL)
    database = Database(login.url, timeout=60)
    draft = create(database, _DRAFT)
    before, began, now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), utc_now()
    said = rehearse(database, draft.id, now, since=now - timedelta(days=7))
    seconds = time.perf_counter() - began
    database.close()
    if said.span.events != MOST_EVENTS or said.starts.started != MOST_EVENTS:
        raise RuntimeError("not every event was rehearsed")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    yield Figure("workflow.rehearse_100k_seconds", seconds, f"s for {MOST_EVENTS:,} events with a mail each", 1)
    yield Figure("workflow.rehearse_100k_megabytes", grown, "MB more than before it", 1)


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login:
        yield from _rehearsal(login)


SUBJECT = Subject(("workflow.rehearse_100k_seconds", "workflow.rehearse_100k_megabytes"), _measure)
