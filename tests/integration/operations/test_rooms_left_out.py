"""Functions and commands in an installation without some of its rooms."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from admin_api import wiring as admin
from cli.doctor.examine import examine
from cli.erase import EraseSettings
from crm_relay.edge_cache.absent import absent_edge
from crm_relay.integrity.models import CHECKS, CheckOrder, Inspection
from crm_relay.integrity.run_checks import run_checks
from crm_relay.operations.erase import erase
from crm_relay.platform.aws import queue
from crm_relay.platform.clock import Deadline, utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from crm_relay.platform.settings import read_settings
from tests.faults.conftest import aws, aws_environment
from tests.support.customers.mautic_harness import MauticHarness
from tests.support.operations.admin_function import ADMIN, AdminFunction, admin_function
from tests.support.operations.planted_person import ADA, Places, erasure
from tests.support.platform.rows import rows_of

__all__ = ["aws", "aws_environment"]

NOT_INSTALLED = "the edge cache is not installed"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str) -> AdminFunction:
    """The API of an installation with campaigns alone."""
    function = admin_function(monkeypatch, database, database_url)
    for name in ("EDGE_CACHE_TABLE", "CACHE_ORDERS_QUEUE_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("LEFT_OUT_ROOMS", "mautic,emailbison,edge_cache,notifications,workflows,connections")
    admin.installation.forget()
    return function


def test_the_status_lists_the_installed_rooms(bare: AdminFunction) -> None:
    answer = bare.call("GET", "/api/sync/status", token=ADMIN)
    assert answer.status == 200
    status = answer.body
    assert (status["installed"], status["directions"], status["healthy"]) == (["campaigns"], [], True)
    assert bare.call("GET", "/api/dashboard", token=ADMIN).status == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/sync/prospects", {}),
        ("/api/sync/emails", {}),
        ("/api/sync/full", {}),
        ("/api/emails", {"id": str(UUID(int=1)), "to_email": "ana@example.com", "subject": "Hello"}),
    ],
)
def test_what_is_about_the_edge_is_answered_404(bare: AdminFunction, path: str, body: dict[str, str]) -> None:
    answer = bare.call("POST", path, token=ADMIN, body=body)
    assert (answer.status, answer.body["error"]) == (404, NOT_INSTALLED)


def test_checks_of_the_edge_are_named_as_unseen_and_the_others_run(database: Database) -> None:
    inspection = Inspection(database, absent_edge(), utc_now, Deadline.after(600), lambda: False)
    report = run_checks(inspection, CheckOrder(full=True, fix=True))
    assert report.error is None
    assert [each.check for each in report.results] == list(CHECKS)
    unseen = {each.check: dict(each.unseen) for each in report.results if each.unseen}
    assert unseen == {name: {name: NOT_INSTALLED} for name in ("backlog", "drift")}


def test_connections_that_are_left_out_are_not_looked_at(database: Database) -> None:
    rows_of(
        database,
        """with workspace as (insert into workspaces (org_id, name) values (default_org_id(), 'W') returning id)
           insert into integration_connections (workspace_id, integration_type, next_sync_at)
           select id, 'airtable', now() - interval '1 day' from workspace""",
    )
    installed = Inspection(database, absent_edge(), utc_now, Deadline.after(600), lambda: False)
    found = {each.check: each for each in run_checks(installed, CheckOrder()).results}
    assert found["connections"].found == 1
    left_out = replace(installed, left_out=frozenset({"connections"}))
    found = {each.check: each for each in run_checks(left_out, CheckOrder()).results}
    assert found["connections"].unseen == {"connections": "connections are not installed"}


def test_an_erasure_without_mautic_and_without_an_edge_is_complete(
    harness: MauticHarness, aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    scope = replace(erasure(harness, Places.fresh(aws_environment)), has_mautic=False)
    receipt = erase(scope, ADA.address)
    assert (receipt.is_complete, receipt.reached["mautic_contacts"]) == (True, "not installed")


def test_contacts_that_are_known_in_a_mautic_that_was_left_out_keep_the_erasure_open(
    harness: MauticHarness, aws_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_LOOK_SECONDS", 0)
    customer = harness.customer("ana@example.com")
    rows_of(
        harness.db,
        "insert into mautic_sync_status (customer_id, mautic_contact_id) values (:c, 7) "
        "on conflict (customer_id) do update set mautic_contact_id = 7",
        c=customer,
    )
    receipt = erase(replace(erasure(harness, Places.fresh(aws_environment)), has_mautic=False), str(customer))
    assert not receipt.is_complete
    assert "1 contacts" in receipt.unreached["mautic_contacts"]


GIVEN = {
    "DATABASE_URL": "postgresql://u:p@127.0.0.1/db",
    "COORDINATION_TABLE": "t",
    "DEFERRED_QUEUE_URL": "q",
    "OVERSIZE_BUCKET": "b",
}


def test_an_erasure_refuses_to_forget_a_room_that_nobody_said_is_left_out() -> None:
    with pytest.raises(FatalError, match=r"MAUTIC_URL, .*EDGE_CACHE_TABLE"):
        read_settings(EraseSettings, GIVEN)
    settings = read_settings(EraseSettings, GIVEN | {"LEFT_OUT_ROOMS": "mautic,edge_cache"})
    assert settings.edge_cache_table is None
    with pytest.raises(FatalError, match="LEFT_OUT_ROOMS"):
        read_settings(EraseSettings, GIVEN | {"LEFT_OUT_ROOMS": "mautik"})


def test_the_doctor_does_without_a_room(
    monkeypatch: pytest.MonkeyPatch, database_url: str, aws_environment: dict[str, str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    for name in ("MAUTIC_URL", "MAUTIC_CLIENT_ID", "MAUTIC_CLIENT_SECRET", "CRM_RELAY_SECRET_ID"):
        monkeypatch.delenv(name, raising=False)
    wrong = {each.what: each.found for each in examine() if each.verdict == "wrong"}
    assert list(wrong) == ["mautic settings"]
    assert wrong["mautic settings"].endswith("crm-relay init asks for them, and LEFT_OUT_ROOMS=mautic does without")
    monkeypatch.setenv("LEFT_OUT_ROOMS", "mautic,emailbison")
    checks = {each.what: each for each in examine()}
    assert (checks["mautic"].found, checks["emailbison"].found) == ("left out", "left out")
    assert not {"webhook secret", "last Mautic sync"} & checks.keys()
    assert {each.verdict for each in checks.values()} <= {"good", "worth a look"}
