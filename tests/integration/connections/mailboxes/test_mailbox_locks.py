"""What a mailbox, its pitches and an erasure lock is in the order of every transaction."""

from __future__ import annotations

from crm_relay.connections.people.erase import erase_connected
from crm_relay.connections.pitches.orders import PitchOrder, order_pitch
from crm_relay.connections.pitches.park import free_stranded
from crm_relay.consent.person import Person
from local.simulators.gmail import GmailSimulator
from tests.support.connections.gmail_stage import GmailStage
from tests.support.platform.lock_recorder import LockOrder, LockRecorder
from tests.support.platform.rows import rows_of
from tests.support.source_tree import ROOT

ORDER = LockOrder.read(ROOT / "schema" / "lock_order.toml")
DEAD = "550 5.1.1 The email account that you tried to reach does not exist"


def test_pitches_replies_bounces_orders_and_an_erasure(database_url: str, gmail_sim: GmailSimulator) -> None:
    recorder = LockRecorder(database_url)
    gmail = GmailStage(recorder, database_url, gmail_sim)
    gmail.link()
    contacts = [gmail.contact(f"p{number}@example.com") for number in range(4)]
    pitches = [gmail.pitch(None, contact_id=each) for each in contacts]
    gmail.sync()
    for each in gmail_sim.sent():
        gmail_sim.deliver(each.header("To"), answers=each.message_id)
        gmail_sim.deliver("mailer-daemon@example.com", text=DEAD, answers=each.message_id)
    for copied in ("p0@example.com", "p1@example.com"):
        gmail_sim.deliver("other@example.net", headers={"Cc": copied})
    lost = gmail.pitch("lost@example.com")
    gmail_sim.fault("lost", match="drafts/send")
    gmail.pass_time()
    gmail.sync()
    for each in gmail_sim.sent():
        gmail_sim.delete_message(each)
    gmail.pass_time(7 * 3600)
    gmail.sync()
    assert gmail.status(lost) == "unknown"
    order_pitch(gmail.db, lost, PitchOrder.NOT_SENT, "mary", gmail.now())
    order_pitch(gmail.db, lost, PitchOrder.SEND, "mary", gmail.now())
    gmail_sim.fault("lost", match="drafts/send")
    gmail.sync()
    gone = Person(frozenset({"p0@example.com", "p1@example.com", "p2@example.com"}), frozenset())
    erase_connected(gmail.db, gone, gmail.now())
    rows_of(gmail.db, "update integration_connections set status = 'disconnected'")
    gmail.pass_time()
    assert free_stranded(gmail.db, gmail.now()) == 1
    assert len(pitches) == 4
    locked = {table for transaction in recorder.transactions for each in transaction for table in each.rows}
    assert {"pitches", "inbox_items", "incidents", "integration_connections", "mail_elsewhere"} <= locked
    assert "\n".join(ORDER.disorder(recorder.transactions)) == ""
    recorder.close()
