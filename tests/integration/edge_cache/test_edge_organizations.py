"""What is written at the edge belongs to the organization that its prospect or campaign says, and to no other."""

from uuid import UUID, uuid4

import pytest

from crm_relay.edge_cache.record_email import record_email
from tests.support.edge_cache.edge_harness import EdgeHarness


@pytest.fixture
def other(edge: EdgeHarness) -> UUID:
    """An organization beside the default one."""
    found: UUID = edge.one("insert into organizations (id, name) values (:id, 'Other') returning id", id=uuid4())["id"]
    return found


def owned(edge: EdgeHarness, table: str, org: UUID) -> UUID:
    column = "email" if table == "mailboxes" else "name"
    found: UUID = edge.one(
        f"insert into {table} ({column}, org_id) values (:value, :org) returning id", value="box@other.example", org=org
    )["id"]
    return found


def organization(edge: EdgeHarness, **content: object) -> UUID | None:
    row_id = uuid4()
    record_email(edge.table, {"id": str(row_id), "subject": "mail"} | content, edge.now)
    edge.to_postgres()
    found: UUID | None = edge.one("select org_id from emails where id = :id", id=row_id)["org_id"]
    return found


def test_an_email_is_its_prospects_organizations(edge: EdgeHarness, other: UUID) -> None:
    assert organization(edge, prospect_id=str(owned(edge, "prospects", other))) == other


def test_an_email_without_a_prospect_is_its_campaigns_organizations(edge: EdgeHarness, other: UUID) -> None:
    campaign = str(owned(edge, "campaigns", other))
    assert organization(edge, campaign_id=campaign, prospect_id=str(uuid4())) == other


@pytest.mark.parametrize(
    ("direction", "field"), [("outbound", "from_email"), ("inbound", "to_email")], ids=["sent", "received"]
)
def test_an_email_of_neither_is_its_mailboxes_organizations(
    edge: EdgeHarness, other: UUID, direction: str, field: str
) -> None:
    owned(edge, "mailboxes", other)
    assert organization(edge, direction=direction, **{field: "Box@Other.example"}) == other


def test_an_email_of_which_nothing_says_whose_it_is_is_nobodys_but_the_only_organizations(
    edge: EdgeHarness,
) -> None:
    only = edge.one("select default_org_id() as id")["id"]
    assert organization(edge, to_email="someone@example.com") == only
    edge.sql("insert into organizations (id, name) values (:id, 'Other')", id=uuid4())
    assert organization(edge, to_email="someone@example.com") is None


def test_a_mailbox_of_two_organizations_says_nothing(edge: EdgeHarness, other: UUID) -> None:
    owned(edge, "mailboxes", other)
    owned(edge, "mailboxes", edge.one("select default_org_id() as id")["id"])
    assert organization(edge, from_email="box@other.example") is None


def test_a_later_edit_moves_no_email_to_another_organization(edge: EdgeHarness, other: UUID) -> None:
    row_id, ours = uuid4(), edge.add()
    record_email(edge.table, {"id": str(row_id), "prospect_id": str(ours)}, edge.now)
    edge.sync()
    prospect = str(owned(edge, "prospects", other))
    record_email(edge.table, {"id": str(row_id), "prospect_id": prospect}, edge.later(minutes=1))
    edge.sync()
    row = edge.one("select org_id = default_org_id() as is_ours, prospect_id from emails where id = :id", id=row_id)
    assert row == {"is_ours": True, "prospect_id": UUID(prospect)}


def test_an_email_of_nobody_gets_its_organization_with_the_edit_that_names_it(edge: EdgeHarness, other: UUID) -> None:
    row_id = uuid4()
    record_email(edge.table, {"id": str(row_id)}, edge.now)
    edge.sync()
    content = {"id": str(row_id), "prospect_id": str(owned(edge, "prospects", other))}
    record_email(edge.table, content, edge.later(minutes=1))
    edge.sync()
    assert edge.one("select org_id from emails where id = :id", id=row_id)["org_id"] == other
