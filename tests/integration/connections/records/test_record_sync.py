"""Records both ways: owners of fields, echoes, refusals, removals, and both sides equal afterwards."""

from datetime import timedelta

from tests.support.connections.connection_stage import ConnectionStage
from tests.support.connections.ledger_simulator import LedgerSimulator
from tests.support.platform.rows import rows_of


def test_both_sides_have_everybody_after_one_sync(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    stage.contact("ada@example.com", first_name="Ada", title="Countess")
    ledger.add({"f_mail": "grace@example.com", "f_first": "Grace", "f_last": "Hopper"})
    connection = stage.connect()

    result = stage.open(connection).sync()

    assert result.success, result
    assert {each["f_mail"]: each.get("f_first") for each in ledger.people().values()} == {
        "ada@example.com": "Ada",
        "grace@example.com": "Grace",
    }
    assert {email: row["first_name"] for email, row in stage.contacts().items()} == {
        "ada@example.com": "Ada",
        "grace@example.com": "Grace",
    }
    assert (result.records_created, result.records_failed) == (2, 0)
    compared = result.metadata["streams"]["main"]["compared"]
    assert (compared["is_equal"], compared["ours"], compared["theirs"]) == (True, 2, 2)


def test_a_second_sync_writes_nothing_and_asks_once(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    stage.contact("ada@example.com", first_name="Ada")
    ledger.add({"f_mail": "grace@example.com", "f_last": "Hopper"})
    connection = stage.connect()
    stage.open(connection).sync()
    # The echo of our own write is read once.
    stage.open(connection).sync()
    writes, before = dict(ledger.writes), len(ledger.requests)

    result = stage.open(connection).sync()

    assert result.records_synced == 0
    assert ledger.writes == writes
    assert len(ledger.requests) - before == 1


def test_each_field_follows_its_owner(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    contact = stage.contact("ada@example.com", first_name="Ada", last_name="Byron", title="Miss")
    connection = stage.connect()
    stage.open(connection).sync()
    (their_id,) = ledger.people()

    ledger.edit(their_id, {"f_first": "theirs", "f_last": "theirs", "f_title": "theirs"})
    stage.ahead += timedelta(seconds=5)
    stage.change(contact, first_name="ours", last_name="ours", title="ours, later")
    stage.open(connection).sync()

    row, there = stage.contacts()["ada@example.com"], ledger.people()[their_id]
    assert (row["first_name"], row["last_name"], row["title"]) == ("ours", "theirs", "ours, later")
    assert (there["f_first"], there["f_last"], there["f_title"]) == ("ours", "theirs", "ours, later")


def test_the_later_change_of_theirs_wins_a_field_of_the_latest(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    contact = stage.contact("ada@example.com", title="Miss")
    connection = stage.connect()
    stage.open(connection).sync()
    (their_id,) = ledger.people()
    stage.ahead -= timedelta(minutes=5)
    stage.change(contact, title="ours, earlier")
    ledger.edit(their_id, {"f_title": "theirs, later"})
    stage.ahead += timedelta(minutes=5)

    stage.open(connection).sync()

    assert stage.contacts()["ada@example.com"]["title"] == "theirs, later"
    assert ledger.people()[their_id]["f_title"] == "theirs, later"


def test_a_refused_record_is_named_and_passes_once_it_is_mended(
    stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    ledger.refused_words = {"forbidden"}
    bad = stage.contact("bad@example.com", title="forbidden")
    for number in range(9):
        stage.contact(f"p{number}@example.com")
    connection = stage.connect()

    result = stage.open(connection).sync()

    assert (result.records_created, result.records_failed) == (9, 1)
    (reject,) = stage.rejects()
    assert (reject["record_id"], reject["direction"]) == (str(bad), "to_external")
    requests = len(ledger.requests)
    stage.open(connection).sync()
    assert [line for line in ledger.requests[requests:] if line.startswith("POST")] == []

    stage.change(bad, title="allowed")
    stage.open(connection).sync()
    assert stage.rejects() == []
    assert len(ledger.people()) == 10


def test_records_that_cannot_come_in_are_named_and_stop_nobody(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    for _ in range(12):
        ledger.add({"f_first": "nobody"})
    blank = ledger.add({"f_first": "nobody"})
    ledger.add({"f_mail": "ada@example.com"})
    ledger.add({"f_mail": "ADA@example.com", "f_first": "twice"})
    connection = stage.connect()

    stage.open(connection).sync()

    assert list(stage.contacts()) == ["ada@example.com"]
    assert {row["reason"] for row in stage.rejects()} == {
        "the record has no e-mail address",
        "another record has the same e-mail address",
    }
    ledger.edit(blank, {"f_mail": "mended@example.com"})
    stage.open(connection).sync()
    assert "mended@example.com" in stage.contacts()


def test_a_record_removed_there_is_not_made_again_and_ours_stays(
    stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    for number in range(4):
        stage.contact(f"p{number}@example.com")
    connection = stage.connect()
    stage.open(connection).sync()
    gone = next(iter(ledger.people()))
    ledger.delete(gone)

    result = stage.open(connection).sync(complete=True)

    assert result.metadata["streams"]["main"]["in"]["gone"] == 1
    assert (len(ledger.people()), len(stage.contacts())) == (3, 4)
    stage.open(connection).sync(complete=True)
    assert len(ledger.people()) == 3


def test_a_table_that_shows_nothing_asks_before_anything_is_removed(
    stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    for number in range(8):
        stage.contact(f"p{number}@example.com")
    connection = stage.connect({"when_removed_there": "archive"})
    stage.open(connection).sync()
    ledger.books["main"].people.clear()

    dry = stage.open(connection).preview()
    assert "would archive 8 contact(s) here" in dry.metadata["streams"]["main"]["consequences"]
    stage.open(connection).sync(complete=True)

    assert len(stage.contacts()) == 8
    assert stage.row(connection)["held_for"] == "confirmation"
    assert stage.incidents() == ["connection_held"]
    stage.open(connection).sync(complete=True, may_shrink=True)
    assert stage.contacts() == {}


def test_a_shifted_page_is_no_removal(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    for number in range(9):
        stage.contact(f"p{number}@example.com")
    connection = stage.connect({"when_removed_there": "archive"})
    stage.open(connection).sync()
    ledger.fault("offset=3", "shift")

    stage.open(connection).sync(complete=True)

    assert len(stage.contacts()) == 9
    assert {row["state"] for row in rows_of(stage.db, "select state from integration_records")} == {None}


def test_a_deleted_contact_goes_there_where_the_settings_say_so(
    stage: ConnectionStage, ledger: LedgerSimulator
) -> None:
    contact = stage.contact("ada@example.com")
    stage.contact("grace@example.com")
    connection = stage.connect({"when_removed_here": "remove"})
    stage.open(connection).sync()
    stage.change(contact, deleted_at=stage.now())

    stage.open(connection).sync()

    assert [each["f_mail"] for each in ledger.people().values()] == ["grace@example.com"]
    stage.open(connection).sync(complete=True)
    assert list(stage.contacts()) == ["grace@example.com"]


def test_a_lost_field_stops_its_stream_alone(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    stage.contact("ada@example.com", title="Countess")
    ledger.books["other"] = type(ledger.books["main"])()
    connection = stage.connect({"books": ["main", "other"]})
    stage.open(connection).sync()
    ledger.books["main"].fields.remove("f_title")
    (their_id,) = ledger.people()
    ledger.edit(their_id, {"f_first": "x"})
    stage.contact("grace@example.com")

    stage.open(connection).sync()

    assert stage.contacts()["ada@example.com"]["title"] == "Countess"
    assert len(ledger.people("other")) == 2
    assert stage.incidents() == ["connection_stream"]
    assert stage.row(connection)["status"] == "active"
    ledger.books["main"].fields.append("f_title")
    stage.open(connection).sync()
    assert stage.incidents() == []
    assert len(ledger.people()) == 2


def test_a_difference_after_a_complete_pass_is_named(stage: ConnectionStage, ledger: LedgerSimulator) -> None:
    contact = stage.contact("ada@example.com", title="Countess")
    stage.contact("grace@example.com")
    connection = stage.connect()
    stage.open(connection).sync()
    ledger.refused_words = {"forbidden"}
    stage.change(contact, title="forbidden")

    result = stage.open(connection).sync(complete=True)

    compared = result.metadata["streams"]["main"]["compared"]
    (their_id,) = (one for one, each in ledger.people().items() if each["f_mail"] == "ada@example.com")
    assert (compared["is_equal"], compared["differing"]) == (False, [their_id])
    assert stage.incidents() == ["connection_differs"]
    stage.change(contact, title="allowed")
    stage.open(connection).sync(complete=True)
    assert stage.incidents() == []
