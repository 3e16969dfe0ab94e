"""The doctor's look at campaigns: whether each can be read, and each step written."""

from collections.abc import Iterator

from cli.doctor.checks import Check
from crm_relay.campaigns.watch.faults import problems_of_campaign
from crm_relay.campaigns.watch.store import campaign_documents
from crm_relay.platform.database import Queryable


def examine_campaigns(database: Queryable) -> Iterator[Check]:
    """A line for each campaign with a problem, which names its fields; one line where there is none."""
    rows = campaign_documents(database)
    found = [(row, problems) for row in rows if (problems := problems_of_campaign(row["document"]))]
    if not found:
        yield Check("campaigns", "good", f"{len(rows)} can be read")
    for row, problems in found:
        yield Check(f"campaign {row['name']}", "wrong", f"{row['id']}: {'; '.join(problems)}")
