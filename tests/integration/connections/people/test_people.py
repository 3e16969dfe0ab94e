"""A person in connections: explained, and erased on both sides for good."""

from crm_relay.connections.people.erase import count_connected, erase_connected
from crm_relay.connections.people.why import connections_of
from crm_relay.consent.erase import block_return
from crm_relay.consent.person import Person
from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.platform.rows import rows_of

ADA = Person(frozenset({"ada@example.com"}), frozenset())


def test_why_says_where_somebody_is_synced_to_and_what_was_refused(
    stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    ledger.refused_words = {"forbidden"}
    stage.contact("ada@example.com")
    stage.contact("bad@example.com", title="forbidden")
    connection = stage.connect(label="sales")
    stage.open(connection).sync()
    (their_id,) = ledger.people()

    (found,) = connections_of(stage.db, ADA).records
    assert (found["integration"], found["label"], found["their_id"]) == ("ledger", "sales", their_id)
    (refused,) = connections_of(stage.db, Person(frozenset({"bad@example.com"}), frozenset())).records
    assert (refused["their_id"], refused["refused_because"] is not None) == (None, True)


def test_an_erased_person_goes_there_too_and_does_not_come_back(
    stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    contact = stage.contact("ada@example.com", first_name="Ada")
    stage.contact("grace@example.com")
    connection = stage.connect({"direction": "in"})
    ledger.add({"f_mail": "ada@example.com"})
    ledger.add({"f_mail": "grace@example.com"})
    rows_of(
        stage.db,
        "insert into pitches (workspace_id, contact_id, subject) values (:workspace, :contact, 'Dear Ada')",
        workspace=stage.workspace,
        contact=contact,
    )
    stage.open(connection).sync()

    assert count_connected(stage.db, ADA) == {"integration_records": 1, "pitches": 1}
    block_return(stage.db, ADA, stage.now())
    erase_connected(stage.db, ADA, stage.now())
    rows_of(stage.db, "delete from contacts where id = :id", id=contact)
    stage.open(connection).sync()

    assert [each["f_mail"] for each in ledger.people().values()] == ["grace@example.com"]
    texts = [row["r"] for row in rows_of(stage.db, "select r::text from integration_records r")]
    texts += [row["r"] for row in rows_of(stage.db, "select r::text from pitches r")]
    assert str(contact) not in "".join(texts)
    assert "Ada" not in "".join(texts)

    ledger.add({"f_mail": "ada@example.com"})
    stage.open(connection).sync()
    assert list(stage.contacts()) == ["grace@example.com"]
    assert [row["reason"] for row in stage.rejects()] == ["the person was erased, and does not come back"]
