"""A look 30 days ahead for 10,000 recipients in many zones: read, simulated and summed up."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from benchmarks.figures import Figure, Subject, median
from benchmarks.servers import Servers
from crm_relay.campaigns.models import Capabilities
from crm_relay.campaigns.preview.look_ahead import look_ahead
from crm_relay.platform.database import Database
from crm_relay.platform.sql import parse_queries

_RECIPIENTS = 10_000
_DAYS = 30
_LOOKS = 3
_NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
_FILL = parse_queries(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def _measure(servers: Servers) -> Iterator[Figure]:
    with servers.database() as login, login.as_owner() as owner:
        campaign = _fill(owner)
        database = Database(login.url, timeout=60.0)
        unit = f"s for {_RECIPIENTS:,} recipients, 7 steps, 100 e-mails a minute"
        yield median("campaign_simulate.seconds_10k_recipients_30_days", unit, _times(database, campaign))
        database.close()


def _fill(owner: Database) -> UUID:
    campaign: UUID = owner.run(_FILL["campaign"])[0]["id"]
    owner.run(_FILL["people"], campaign_id=campaign, people=_RECIPIENTS)
    owner.run_script("analyze")
    return campaign


def _times(database: Database, campaign: UUID) -> Iterator[float]:
    for _ in range(_LOOKS):
        began = time.perf_counter()
        forecast = look_ahead(database, campaign, _NOW, days=_DAYS, can=Capabilities(sms=True))
        yield time.perf_counter() - began
        if forecast.ends != {"completed": _RECIPIENTS}:
            raise RuntimeError(f"not everybody came to the end: {forecast.ends}")


SUBJECT = Subject(("campaign_simulate.seconds_10k_recipients_30_days",), _measure)
