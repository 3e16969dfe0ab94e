"""Airtable over the engine: both sides equal, owners of fields, a moving schema, refusals, removals, tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.sql import Json
from local.simulators.airtable import AirtableSimulator
from tests.support.connections.airtable_sync_stage import AirtableSync, airtable_clock, oauth_client
from tests.support.platform.rows import rows_of


@pytest.fixture
def sim() -> Iterator[AirtableSimulator]:
    with AirtableSimulator(clock=airtable_clock(), requests_per_second=None) as running:
        yield running


@pytest.fixture
def airtable(database: Database, database_url: str, sim: AirtableSimulator) -> AirtableSync:
    return AirtableSync(database, database_url, sim)


@pytest.mark.parametrize("email_type", ["singleLineText", "email"])
def test_both_sides_have_everybody_after_one_sync(
    database: Database, database_url: str, sim: AirtableSimulator, email_type: str
) -> None:
    airtable = AirtableSync(database, database_url, sim, email_type)
    airtable.contact("ada@x.example", first_name="Ada")
    airtable.contact("both@x.example", first_name="Bo")
    airtable.people.add("grace", First_name="Grace")
    sim.add_row(airtable.people.table, Email="Both@X.example", Company="Contoso")
    airtable.link()
    result = airtable.sync()
    assert result.success, result
    assert set(airtable.contacts()) == {"ada@x.example", "both@x.example", "grace@x.example"}
    assert {row.get("First name") for row in airtable.people.rows} == {"Ada", "Bo", "Grace"}
    assert len(airtable.people.rows) == 3
    assert airtable.contacts()["both@x.example"]["company_name"] == "Contoso"
    assert airtable.stream_of(result)["compared"]["is_equal"], result


def test_an_idle_sync_is_one_request_and_writes_nothing(airtable: AirtableSync, sim: AirtableSimulator) -> None:
    airtable.contact("ada@x.example", first_name="Ada")
    airtable.people.add("grace")
    airtable.link()
    for _ in range(2):
        airtable.sync()
        airtable.pass_time()
    before = sim.calls
    result = airtable.sync()
    assert (sim.calls - before, result.records_synced, result.metadata["requests"]) == (1, 0, 1)


def test_our_own_writes_come_back_once_and_change_nothing(airtable: AirtableSync, sim: AirtableSimulator) -> None:
    for number in range(25):
        airtable.contact(f"p{number}@x.example", first_name="Ada")
    airtable.link()
    airtable.sync()
    written = [entry for entry in sim.gate.log if entry[0] != "GET"]
    for _ in range(3):
        airtable.pass_time(60)
        assert airtable.sync().records_synced == 0
    assert [entry for entry in sim.gate.log if entry[0] != "GET"] == written


def test_each_field_follows_its_owner(airtable: AirtableSync, sim: AirtableSimulator) -> None:
    sim.add_field(airtable.people.table, "Modified", "lastModifiedTime")
    contact = airtable.contact("ada@x.example", first_name="a", last_name="a", company_name="a")
    settings = airtable.people.settings()
    settings["fields"]["first_name"]["owner"] = "ours"
    settings["fields"]["last_name"]["owner"] = "theirs"
    airtable.link(settings)
    airtable.sync()
    (row,) = airtable.people.rows

    def edit_there(value: str) -> None:
        airtable.pass_time(60)
        sim.edit_row(airtable.people.table, row["id"], First_name=value, Last_name=value, Company=value)

    def edit_here(value: str) -> None:
        airtable.pass_time(60)
        airtable.change(contact, first_name=value, last_name=value, company_name=value)

    for first, second in ((edit_here, edit_there), (edit_there, edit_here)):
        first(f"first by {first.__name__}")
        second(f"second by {second.__name__}")
        airtable.sync()
        ours, theirs = airtable.contacts()["ada@x.example"], airtable.rows()["ada@x.example"]
        assert [ours[name] for name in ("first_name", "last_name", "company_name")] == [
            theirs[name] for name in ("First name", "Last name", "Company")
        ]
        assert (str(ours["first_name"])[-4:], str(ours["last_name"])[-5:]) == ("here", "there")
        assert ours["company_name"] == f"second by {second.__name__}"


def test_a_renamed_field_goes_on_and_one_that_is_gone_stops_this_stream_until_it_is_back(
    airtable: AirtableSync, sim: AirtableSimulator
) -> None:
    contact = airtable.contact("ada@x.example", company_name="Contoso")
    connection = airtable.link()
    airtable.sync()
    sim.rename_field(airtable.people.table, "Company", "Employer")
    airtable.change(contact, company_name="Fabrikam")
    assert airtable.sync().success
    assert airtable.rows()["ada@x.example"]["Employer"] == "Fabrikam"

    removed = sim.remove_field(airtable.people.table, "Employer")
    airtable.pass_time()
    result = airtable.sync()
    assert any("company_name" in each for each in result.errors)
    assert airtable.contacts()["ada@x.example"]["company_name"] == "Fabrikam"
    assert airtable.incidents() != []
    assert airtable.row(connection)["status"] == "active"

    sim.restore_field(airtable.people.table, removed)
    airtable.pass_time()
    assert airtable.sync(complete=True).success
    assert airtable.contacts()["ada@x.example"]["company_name"] == "Fabrikam"
    assert airtable.incidents() == []


def test_a_record_that_airtable_refuses_is_named_and_passes_once_it_is_mended(
    airtable: AirtableSync, sim: AirtableSimulator
) -> None:
    sim.change_type(airtable.people.table, "Company", "singleSelect")
    company = airtable.people.table.field("Company")
    assert company is not None
    company.options["choices"] = [{"id": "sel1", "name": "Contoso"}]
    bad = airtable.contact("bad@x.example", company_name="Unknown Ltd")
    for number in range(15):
        airtable.contact(f"p{number}@x.example", company_name="Contoso")
    airtable.link()
    result = airtable.sync()
    assert (result.records_created, result.records_failed) == (15, 1)
    (reject,) = airtable.rejects()
    assert (reject["record_id"], reject["direction"]) == (str(bad), "to_external")
    assert "INVALID_MULTIPLE_CHOICE_OPTIONS" in reject["reason"]
    assert "Unknown" not in reject["reason"]
    airtable.change(bad, company_name="Contoso")
    airtable.sync()
    assert airtable.rejects() == []
    assert len(airtable.rows()) == 16


def test_two_rows_with_one_address_stop_nobody(airtable: AirtableSync) -> None:
    airtable.people.add("twice", "twice", "other")
    airtable.contact("ada@x.example")
    airtable.link()
    airtable.sync()
    assert set(airtable.contacts()) == {"ada@x.example", "twice@x.example", "other@x.example"}
    assert [row["reason"] for row in airtable.rejects()] == ["another record has the same e-mail address"]
    assert len(airtable.people.rows) == 4


def test_pages_that_shift_or_repeat_delete_nothing_and_lose_nobody(
    airtable: AirtableSync, sim: AirtableSimulator
) -> None:
    airtable.people.add(*(f"p{number}" for number in range(230)))
    airtable.link({"when_removed_there": "archive"})
    airtable.sync()
    assert len(airtable.contacts()) == 230
    for kind, items in (("shifted_page", 30), ("duplicate_page", 1)):
        airtable.pass_time()
        sim.fault(kind, match="offset=", items=items)
        result = airtable.sync(complete=True)
        assert sim.faults.pending == 0
        assert result.success, result
        assert len(airtable.contacts()) == 230

        assert airtable.stream_of(result)["compared"]["theirs"] == 230, (kind, result)


def test_a_row_that_is_gone_after_a_complete_pass_is_archived_here_where_the_settings_say_so(
    airtable: AirtableSync, sim: AirtableSimulator
) -> None:
    ids = airtable.people.add(*(f"p{number}" for number in range(20)))
    airtable.link({"when_removed_there": "archive"})
    airtable.sync()
    sim.delete_row(airtable.people.table, ids[3])
    airtable.pass_time()
    assert airtable.sync().success
    assert len(airtable.contacts()) == 20, "changes alone say nothing of a row that is gone"
    airtable.sync(complete=True)
    assert "p3@x.example" not in airtable.contacts()
    assert len(airtable.contacts()) == 19


def test_a_token_that_expires_in_the_middle_is_refreshed_once_and_the_sync_goes_on(
    airtable: AirtableSync, sim: AirtableSimulator
) -> None:
    oauth_client(sim)
    for number in range(40):
        airtable.contact(f"p{number}@x.example")
    tokens = sim.consent("client")
    airtable.link(credentials={"access_token": tokens["access_token"], "refresh_token": tokens["refresh_token"]})
    sim.fault("401", match="PATCH")
    result = airtable.sync()
    assert result.success, result
    assert len(airtable.rows()) == 40
    assert sim.requests["POST /oauth2/v1/token"] == 1
    sim.expire_access_tokens()
    airtable.contact("late@x.example")
    assert airtable.sync().success
    assert sim.requests["POST /oauth2/v1/token"] == 2
    assert "late@x.example" in airtable.rows()


def test_access_that_is_taken_away_needs_a_reconnect_and_then_everything_is_caught_up(
    airtable: AirtableSync, sim: AirtableSimulator
) -> None:
    oauth_client(sim)
    tokens = sim.consent("client")
    connection = airtable.link(
        credentials={"access_token": tokens["access_token"], "refresh_token": tokens["refresh_token"]}
    )
    airtable.contact("ada@x.example")
    assert airtable.sync().success
    sim.revoke_grants()
    airtable.contact("late@x.example")
    assert not airtable.sync().success
    assert airtable.row(connection)["held_for"] == "reconnect"
    assert "late@x.example" not in airtable.rows()


def test_the_calls_of_the_month_end_without_a_failure(airtable: AirtableSync, sim: AirtableSimulator) -> None:
    for number in range(60):
        airtable.contact(f"p{number}@x.example")
    connection = airtable.link()
    sim.switch(monthly_calls=4)
    result = airtable.sync()
    row = airtable.row(connection)
    assert (row["status"], row["error_count"], row["held_for"]) == ("active", 0, "billing")
    assert not result.success
    written = len(airtable.rows())
    assert 0 < written < 60
    sim.switch(monthly_calls=None)
    rows_of(airtable.db, "update integration_connections set held_for = null, next_sync_at = now()")
    assert airtable.sync().success
    assert len(airtable.rows()) == 60


def test_a_thousand_contacts_are_a_hundred_writes_and_a_constant_number_of_pages(
    airtable: AirtableSync, sim: AirtableSimulator
) -> None:
    for number in range(200):
        airtable.contact(f"p{number}@x.example", first_name="Ada")
    airtable.link()
    result = airtable.sync()
    assert result.records_created == 200
    # One look at the schema, one empty page.
    assert result.metadata["requests"] == sim.calls == 200 // 10 + 2


def test_a_field_that_is_mapped_to_another_one_empties_nothing(airtable: AirtableSync, sim: AirtableSimulator) -> None:
    for number in range(3):
        airtable.contact(f"p{number}@x.example", company_name="Contoso")
    connection = airtable.link()
    airtable.sync()
    new = sim.add_field(airtable.people.table, "Employer")
    settings = {"plan": "business", **airtable.people.settings()}
    settings["fields"]["company_name"]["id"] = new.id
    rows_of(
        airtable.db,
        "update integration_connections set settings = :settings where id = :id",
        settings=Json(settings),
        id=connection,
    )
    for _ in range(3):
        airtable.pass_time()
        airtable.sync()
    assert {row["company_name"] for row in airtable.contacts().values()} == {"Contoso"}
    assert {row.get("Employer") for row in airtable.people.rows} == {"Contoso"}


def test_a_number_comes_in_and_is_not_sent_back(airtable: AirtableSync, sim: AirtableSimulator) -> None:
    sim.change_type(airtable.people.table, "Company", "number")
    airtable.people.add("a", Company=12)
    airtable.link()
    for _ in range(3):
        assert airtable.sync().success
        airtable.pass_time(60)
    assert airtable.contacts()["a@x.example"]["company_name"] == "12"
    assert [entry for entry in sim.gate.log if entry[0] != "GET"] == []


def test_requests_keep_to_the_five_a_second_of_a_base(airtable: AirtableSync, sim: AirtableSimulator) -> None:
    """Airtable locks a base for 30 seconds after a sixth, so this sync would stop."""
    sim.switch(requests_per_second=5)
    airtable.context = replace(airtable.context, sleep=None)
    for number in range(120):
        airtable.contact(f"p{number}@x.example")
    airtable.link()
    result = airtable.sync()
    assert (result.success, result.metadata["requests"], sim.limits.refused) == (True, 14, 0)
    assert len(airtable.rows()) == 120
