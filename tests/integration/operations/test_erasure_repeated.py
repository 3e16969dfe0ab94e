"""An erasure that is not complete says by which command it is repeated; no schedule knows the person."""

import json
from dataclasses import replace
from uuid import UUID

import pytest

from crm_relay.operations.erase import ErasureScope, erase
from crm_relay.platform.aws import queue
from tests.faults.conftest import aws, aws_environment
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.edge_cache.edge_twin import EdgeTwin
from tests.support.operations.planted_person import ADA, Places, erasure
from tests.support.platform.rows import one

__all__ = ["aws", "aws_environment"]

BROKEN = UUID(int=2)


@pytest.fixture
def places(aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Places:
    """An empty AWS, of one server that answers at once."""
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    return Places.fresh(aws_environment)


@pytest.fixture
def scope(harness: MauticHarness, places: Places) -> ErasureScope:
    return replace(erasure(harness, places), edge=EdgeTwin())


def title(scope: ErasureScope) -> str:
    sql = "select title from incidents where kind = 'erasure_incomplete' and closed_at is null"
    return str(one(scope.run.db, sql)["title"])


def test_while_the_customer_is_kept_the_incident_names_the_command_with_its_id(
    harness: MauticHarness, scope: ErasureScope
) -> None:
    customer = harness.customer(ADA.address)
    assert scope.edge is not None
    doc = json.dumps({"id": str(BROKEN), "to_email": ADA.address, "sent_at": "yesterday"})
    scope.edge.edit("emails", BROKEN, doc, edited_at=scope.run.now())
    assert not erase(scope, ADA.address).is_complete
    assert title(scope).endswith(f": crm-relay erase {customer}")
    assert erase(scope, title(scope).rpartition(" ")[2]).is_complete


def test_once_only_the_address_leads_to_the_person_the_incident_says_so_without_it(
    scope: ErasureScope, places: Places
) -> None:
    body = f"name,mail\nAda,{ADA.address}\n".encode()
    places.client("s3").put_object(Bucket=places.deferred.bucket, Key="exports/2026.csv", Body=body)
    assert erase(scope, ADA.address).left
    assert title(scope).endswith(": crm-relay erase ADDRESS, the one that was asked for")
    assert ADA.address.lower() not in title(scope).lower()
