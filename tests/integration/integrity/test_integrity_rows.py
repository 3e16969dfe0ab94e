"""Every other check: its fault planted, found, mended as the table of checks says, and taken back."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from crm_relay.consent.person import Person
from crm_relay.integrity.erase import count_fixes, erase_fixes
from crm_relay.integrity.report import last_fixes, last_runs, standing_findings
from crm_relay.platform.database import Database
from crm_relay.platform.errors import RejectedInput
from tests.support.integrity.integrity_harness import IntegrityHarness, result
from tests.support.platform.rows import add_customer
from tests.support.processes.sudden_death import Killed, Life, MortalDatabase

HOUR = timedelta(hours=1)
UNKNOWN, EARLY = "unknown status", "before it was sent"
UNANSWERED, BOTH = "replied without an inbound e-mail", "bounced and delivered"


@pytest.fixture
def harness(database: Database) -> IntegrityHarness:
    """Without anything at the edge: drift is not looked at."""
    return IntegrityHarness(database)


def test_an_orphan_is_linked_to_the_one_prospect_who_has_its_address(harness: IntegrityHarness) -> None:
    lost = uuid4()
    email = harness.add_email(prospect_id=lost, to_email="Ada@Example.com ")
    owner: UUID = harness.one(
        "insert into prospects (name, contact_email) values ('A', 'ada@example.com') returning id"
    )["id"]
    assert result(harness.check(), "orphaned_email").found == 1
    assert harness.incidents() == {"integrity_orphaned_email"}
    assert result(harness.check(fix=True), "orphaned_email").fixed == 1
    assert harness.email(email)["prospect_id"] == owner
    (fix,) = harness.fixes()
    assert (fix["before"], fix["after"]) == ({"prospect_id": str(lost)}, {"prospect_id": str(owner)})
    assert harness.check().found == 0
    assert harness.incidents() == set()
    assert harness.revert(str(fix["id"])).left == ()
    assert harness.email(email)["prospect_id"] == lost
    assert harness.fixes()[0]["reverted_by"] == "ada"


def test_an_orphan_whose_address_nobody_has_is_marked_and_unmarked_and_keeps_its_time(
    harness: IntegrityHarness,
) -> None:
    email = harness.add_email(prospect_id=None)
    before = harness.email(email)
    harness.rows("delete from edge_changes")
    assert result(harness.check(fix=True), "orphaned_email").fixed == 1
    after = harness.email(email)
    assert (after["orphaned"], after["updated_at"]) == (True, before["updated_at"])
    assert len(harness.rows("select from edge_changes")) == 1
    assert harness.check().found == 0
    harness.revert(f"run-{harness.fixes()[0]['run_id']}")
    assert (harness.email(email)["orphaned"], harness.email(email)["updated_at"]) == (False, before["updated_at"])


def test_an_orphan_whose_address_several_have_is_for_a_person(harness: IntegrityHarness) -> None:
    harness.add_email(prospect_id=None, to_email="p@example.com")
    harness.rows("insert into prospects (name, contact_email) values ('A', 'p@example.com'), ('B', 'p@example.com')")
    assert result(harness.check(fix=True), "orphaned_email").fixed == 0
    assert [status for *_, status in harness.findings()] == ["parked"]


def test_an_orphan_is_not_linked_to_another_organizations_prospect(harness: IntegrityHarness) -> None:
    email = harness.add_email(prospect_id=None, to_email="p@example.com")
    harness.rows("insert into organizations (id, name) values (:id, 'Other')", id=uuid4())
    harness.rows(
        "insert into prospects (name, contact_email, org_id) "
        "select 'A', 'p@example.com', id from organizations where name = 'Other'"
    )
    harness.check(fix=True)
    assert harness.email(email)["orphaned"]


def test_of_duplicates_the_earliest_stays_and_takes_over_the_times(harness: IntegrityHarness) -> None:
    first = harness.add_email(message_id="<m>", created_at=harness.now - timedelta(days=3))
    opened = harness.now - timedelta(hours=2)
    second = harness.add_email(message_id="<m>", opened_at=opened, status="opened")
    third = harness.add_email(message_id="<m>", sent_at=harness.now - timedelta(hours=4))
    harness.add_email(message_id="")
    harness.add_email(message_id="")
    earlier = harness.email(first)
    assert result(harness.check(), "duplicate_message").found == 2
    assert result(harness.check(fix=True), "duplicate_message").fixed == 2
    kept = harness.email(first)
    assert (kept["opened_at"], kept["sent_at"]) == (opened, harness.now - timedelta(hours=4))
    assert [harness.email(each)["duplicate_of"] for each in (first, second, third)] == [None, first, first]
    assert sorted(fix["action"] for fix in harness.fixes()) == ["marked duplicate", "marked duplicate", "times merged"]
    assert harness.check().found == 0
    assert len(harness.revert(f"run-{harness.fixes()[0]['run_id']}").fixes) == 3
    back = harness.email(first)
    assert (back["opened_at"], back["sent_at"]) == (None, earlier["sent_at"])
    assert [harness.email(each)["duplicate_of"] for each in (second, third)] == [None, None]


def other_organization(harness: IntegrityHarness) -> UUID:
    found: UUID = harness.one("insert into organizations (id, name) values (:id, 'Other') returning id", id=uuid4())[
        "id"
    ]
    return found


def test_emails_of_two_organizations_or_directions_are_no_duplicates(harness: IntegrityHarness) -> None:
    """What one organization sent to another has one message_id in both, and a copy that came in has its own row."""
    other, prospect = other_organization(harness), harness.add_prospects(1)[0]
    theirs = harness.one(
        "insert into prospects (name, contact_email, org_id) values ('T', 't@example.com', :org) returning id",
        org=other,
    )["id"]
    emails = [
        harness.add_email(message_id="<m>", prospect_id=prospect),
        harness.add_email(message_id="<m>", prospect_id=prospect, direction="inbound", status="received"),
        harness.add_email(message_id="<m>", prospect_id=theirs, org_id=other, opened_at=harness.now - HOUR),
    ]
    assert result(harness.check(fix=True), "duplicate_message").found == 0
    assert [harness.email(each)["duplicate_of"] for each in emails] == [None] * 3
    assert [harness.email(each)["opened_at"] for each in emails[:2]] == [None] * 2
    again = harness.add_email(message_id="<m>", prospect_id=theirs, org_id=other)
    assert result(harness.check(fix=True), "duplicate_message").fixed == 1
    marked = [harness.email(each)["duplicate_of"] for each in (*emails, again)]
    assert {each for each in marked if each} <= {emails[2], again}


def test_an_answer_to_another_organization_is_none_to_ours(harness: IntegrityHarness) -> None:
    other, asked = other_organization(harness), harness.now - timedelta(hours=2)
    email = harness.add_email(status="replied", replied_at=asked, to_email="a@example.com")
    harness.rows("update emails set updated_at = :at where id = :id", at=asked, id=email)
    harness.add_email(
        direction="inbound", from_email="a@example.com", org_id=other, prospect_id=None, status="received"
    )
    assert result(harness.check(), "invalid_state").found == 1
    harness.add_email(direction="inbound", from_email="a@example.com", prospect_id=None, status="received")
    assert result(harness.check(), "invalid_state").found == 0


@pytest.mark.parametrize("lies_in", ["the default one", "nobody's"])
def test_an_email_in_a_wrong_organization_is_moved_and_moved_back(harness: IntegrityHarness, lies_in: str) -> None:
    other = other_organization(harness)
    theirs = harness.one(
        "insert into prospects (name, contact_email, org_id) values ('T', 't@example.com', :org) returning id",
        org=other,
    )["id"]
    before = harness.one("select default_org_id() as id")["id"] if lies_in == "the default one" else None
    email = harness.add_email(prospect_id=theirs, org_id=before)
    written = harness.email(email)["updated_at"]
    assert result(harness.check(fix=True), "orphaned_email").fixed == 1
    assert (harness.email(email)["org_id"], harness.email(email)["updated_at"]) == (other, written)
    assert harness.check().found == 0
    assert harness.revert(str(harness.fixes()[0]["id"])).left == ()
    assert (harness.email(email)["org_id"], harness.email(email)["updated_at"]) == (before, written)


def test_an_email_that_nothing_gives_to_an_organization_is_for_a_person(harness: IntegrityHarness) -> None:
    other_organization(harness)
    harness.add_email(prospect_id=None, direction="inbound", status="received", org_id=None)
    assert result(harness.check(fix=True), "orphaned_email").fixed == 0
    assert [status for *_, status in harness.findings()] == ["parked"]


def test_a_backlog_of_a_hundred_is_none_and_of_one_more_is_pushed(harness: IntegrityHarness) -> None:
    prospect = harness.add_prospects(1)[0]
    for number in range(101):
        row_id = UUID(int=number + 1)
        doc = f'{{"id": "{row_id}", "prospect_id": "{prospect}", "status": "draft"}}'
        harness.table.edit("emails", row_id, doc, edited_at=harness.now + timedelta(minutes=number == 0))
    harness.now += timedelta(hours=1, seconds=30)
    assert result(harness.check(), "backlog").found == 0
    harness.now += timedelta(minutes=1)
    assert result(harness.check(), "backlog").found == 1
    assert result(harness.check(fix=True), "backlog").fixed == 1
    assert harness.table.count_unsynced() == 0
    assert harness.one("select count(*) as emails from emails") == {"emails": 101}
    (fix,) = harness.fixes()
    assert (fix["action"], fix["before"]) == ("pushed", {"waiting": 101})
    assert harness.revert(str(fix["id"])).left == (fix["id"],)


@pytest.mark.parametrize(
    ("columns", "what", "becomes"),
    [
        ({"status": "unheard"}, UNKNOWN, {"status": "sent"}),
        ({"opened_at": 3 * HOUR + timedelta(minutes=2)}, EARLY, {"opened_at": 3 * HOUR}),
        ({"status": "opened", "opened_at": 5 * HOUR}, EARLY, None),
        ({"status": "opened", "sent_at": None, "opened_at": 2 * HOUR}, EARLY, None),
        ({"status": "replied"}, UNANSWERED, {"status": "sent"}),
        ({"replied_at": 2 * HOUR}, UNANSWERED, None),
        ({"status": "delivered", "bounced_at": 2 * HOUR}, BOTH, {"status": "bounced"}),
        ({"status": "bounced", "clicked_at": 2 * HOUR}, BOTH, {"status": "clicked"}),
        ({"status": "bounced", "bounced_at": 2 * HOUR, "opened_at": HOUR}, BOTH, None),
    ],
)
def test_an_invalid_state_becomes_the_one_that_its_times_imply_or_is_parked(
    harness: IntegrityHarness, columns: dict[str, Any], what: str, becomes: dict[str, Any] | None
) -> None:
    def at(value: Any) -> Any:
        return harness.now - value if isinstance(value, timedelta) else value

    given = {"updated_at": harness.now - timedelta(hours=2)} | {name: at(value) for name, value in columns.items()}
    email = harness.add_email(**given)
    before = harness.email(email)
    report = result(harness.check(), "invalid_state")
    assert [each["what"] for each in report.findings] == [what]
    assert result(harness.check(fix=True), "invalid_state").fixed == (becomes is not None)
    if becomes is None:
        assert [status for *_, status in harness.findings()] == ["parked"]
        assert harness.email(email) == before
        return
    assert {name: harness.email(email)[name] for name in becomes} == {
        name: at(value) for name, value in becomes.items()
    }
    assert harness.check().found == 0
    harness.revert(str(harness.fixes()[0]["id"]))
    changes = {"updated_at", "sync_version"}
    assert {k: v for k, v in harness.email(email).items() if k not in changes} == {
        k: v for k, v in before.items() if k not in changes
    }


def test_states_that_can_be_are_left_alone(harness: IntegrityHarness) -> None:
    two_hours_ago = harness.now - timedelta(hours=2)
    harness.add_email(status=None)
    harness.add_email(status="draft", sent_at=None)
    harness.add_email(status="bounced", bounced_at=two_hours_ago)
    harness.add_email(status="clicked", opened_at=two_hours_ago, clicked_at=two_hours_ago)
    harness.add_email(status="replied", replied_at=two_hours_ago, to_email="Ada@Example.com")
    harness.add_email(status="replied", replied_at=two_hours_ago, to_email="bob@example.com")
    harness.add_email(status="replied", replied_at=harness.now - timedelta(minutes=10), to_email="fresh@example.com")
    harness.add_email(direction="inbound", status="received", from_email="ada@example.com", to_email="us@example.com")
    harness.rows("insert into inbox_items (source, external_id, from_address) values ('gmail', '1', 'BOB@example.com')")
    assert harness.check().found == 0


def test_a_sync_status_without_a_customer_goes_and_comes_back(harness: IntegrityHarness) -> None:
    add_customer(harness.db, "ada@example.com", contact_id=7)
    harness.rows("alter table mautic_sync_status drop constraint mautic_sync_status_customer_id_fkey")
    stray, shared = uuid4(), uuid4()
    harness.rows(
        "insert into mautic_sync_status (customer_id, mautic_contact_id, sync_hash) "
        "values (:stray, 8, 'h'), (:shared, 7, 'h')",
        stray=stray,
        shared=shared,
    )
    before = harness.one("select * from mautic_sync_status where customer_id = :id", id=stray)
    assert result(harness.check(fix=True), "invalid_state").fixed == 1
    assert harness.one("select mautic_contact_id from mautic_removals") == {"mautic_contact_id": 8}
    assert {(row, status) for _, _, row, status in harness.findings()} == {
        (str(stray), "fixed"),
        (str(shared), "parked"),
    }
    harness.revert(str(harness.fixes()[0]["id"]))
    assert harness.one("select * from mautic_sync_status where customer_id = :id", id=stray) == before
    assert harness.rows("select from mautic_removals") == []


def test_counters_that_differ_from_their_log_are_told_and_not_touched(harness: IntegrityHarness) -> None:
    month = harness.now.strftime("%Y-%m-01")
    harness.rows(
        "insert into client_metrics (workspace_name, month, bounced_mtd) values ('Acme', cast(:month as date), 3)",
        month=month,
    )
    report = result(harness.check(fix=True), "counters")
    assert (report.found, report.fixable, report.fixed) == (1, 0, 0)
    assert report.findings[0]["row"] == f"Acme {month} bounced_mtd"
    assert harness.incidents() == {"integrity_counters"}


def test_a_failed_task_that_nobody_looked_after_for_a_day_is_told(harness: IntegrityHarness) -> None:
    for key, age, replayed in (("old", 25, None), ("new", 23, None), ("done", 30, harness.now)):
        harness.rows(
            "insert into failed_tasks (source, task_key, payload, failed_at, replayed_at) "
            "values ('mautic', :key, '', :at, :replayed)",
            key=key,
            at=harness.now - timedelta(hours=age),
            replayed=replayed,
        )
    assert result(harness.check(), "retention").found == 1
    harness.rows("update failed_tasks set replayed_at = :now", now=harness.now)
    harness.check()
    assert [status for *_, status in harness.findings()] == ["gone"]
    assert harness.incidents() == set()


def test_an_email_that_changed_since_its_fix_is_not_taken_back(harness: IntegrityHarness) -> None:
    email = harness.add_email(status="unheard")
    harness.check(fix=True)
    harness.rows("update emails set status = 'opened', opened_at = :now where id = :id", id=email, now=harness.now)
    fix = harness.fixes()[0]["id"]
    assert harness.revert(str(fix)).left == (fix,)
    assert harness.email(email)["status"] == "opened"


def test_an_email_that_changes_while_it_is_looked_at_is_left_alone(harness: IntegrityHarness) -> None:
    email = harness.add_email(prospect_id=None)
    version = harness.email(email)["sync_version"]
    harness.rows(
        "create function meddle() returns trigger language plpgsql as "
        "$$ begin update emails set subject = 'new' where subject is null; return null; end $$"
    )
    harness.rows("create trigger meddle after insert on integrity_findings for each row execute function meddle()")
    assert result(harness.check(fix=True), "orphaned_email").fixed == 0
    assert harness.email(email)["sync_version"] > version
    assert harness.fixes() == []


def test_the_cap_counts_a_checks_rows(harness: IntegrityHarness) -> None:
    for _ in range(3):
        harness.add_email(prospect_id=None)
    harness.add_email(status="unheard")
    report = harness.check(fix=True, cap=2)
    assert (result(report, "orphaned_email").asks, result(report, "invalid_state").fixed) == (True, 1)
    assert harness.rows("select from emails where orphaned") == []
    assert "integrity_approval" in harness.incidents()
    approved = harness.check(fix=True, cap=2, approved=frozenset({"orphaned_email"}))
    assert result(approved, "orphaned_email").fixed == 3
    assert "integrity_approval" not in harness.incidents()


def test_more_than_are_kept_are_counted_and_not_mended(harness: IntegrityHarness) -> None:
    harness.rows("insert into emails (prospect_id, status) select null, 'draft' from generate_series(1, 1100)")
    report = result(harness.check(fix=True, cap=1000), "orphaned_email")
    assert (report.found, report.asks, len(report.findings)) == (1100, True, 1000)
    approved: dict[str, Any] = {"fix": True, "approved": frozenset({"orphaned_email"})}
    assert [result(harness.check(**approved), "orphaned_email").fixed for _ in range(3)] == [1000, 100, 0]


def test_a_run_costs_as_many_statements_however_much_it_finds(harness: IntegrityHarness) -> None:
    def statements() -> int:
        counted = Life()
        harness.db = MortalDatabase(url, counted)
        harness.check(fix=True, approved=frozenset({"orphaned_email"}))
        return counted.taken

    url = address_of(harness.db)
    plain = harness.db
    harness.add_email(prospect_id=None)
    few = statements()
    harness.db = plain
    for _ in range(40):
        harness.add_email(prospect_id=None)
    assert statements() == few


def address_of(database: Database) -> str:
    arguments = database._arguments
    return f"postgresql://{arguments['user']}:{arguments['password']}@{arguments['host']}:{arguments['port']}/{arguments['database']}"


def test_a_run_that_dies_at_any_step_leaves_every_change_with_its_log(harness: IntegrityHarness) -> None:
    plain, url = harness.db, address_of(harness.db)
    emails = [harness.add_email(prospect_id=None), harness.add_email(status="unheard")]
    for step in range(1, 60):
        life = Life(last=step)
        harness.db = MortalDatabase(url, life)
        try:
            harness.check(fix=True)
        except Killed:
            pass
        finally:
            harness.db.close()
            harness.db = plain
        changed = [
            harness.email(emails[0])["orphaned"],
            harness.email(emails[1])["status"] == "sent",
        ]
        fixed = {fix["row_id"] for fix in harness.fixes() if fix["reverted_at"] is None}
        assert [str(email) in fixed for email in emails] == changed, step
        if not life.is_over:
            break
        for fix in harness.fixes():
            if fix["reverted_at"] is None:
                harness.revert(str(fix["id"]))
        harness.rows("delete from integrity_fixes")
    else:
        pytest.fail("the run never came to its end")


def test_what_is_asked_back_wrongly_is_refused(harness: IntegrityHarness) -> None:
    for wanted, status in (("nonsense", 422), ("run-", 422), ("9" * 30, 422), ("1", 404), ("run-1", 404)):
        with pytest.raises(RejectedInput) as refused:
            harness.revert(wanted)
        assert refused.value.status == status


def test_reports_tell_what_was_found_and_done_and_old_ones_go(harness: IntegrityHarness) -> None:
    harness.add_email(prospect_id=None)
    harness.add_email(prospect_id=None, to_email="p@example.com")
    harness.rows("insert into prospects (name, contact_email) values ('A', 'p@example.com'), ('B', 'p@example.com')")
    harness.check(fix=True)
    assert last_runs(harness.db)[0]["counts"]["orphaned_email"] == {"found": 2, "fixable": 1, "fixed": 1, "asks": False}
    assert [each["status"] for each in standing_findings(harness.db)] == ["parked"]
    assert [each["action"] for each in last_fixes(harness.db)] == ["marked orphaned"]
    harness.now += timedelta(days=91)
    harness.check(fix=True)
    assert len(last_runs(harness.db)) == 1
    assert last_fixes(harness.db) == []
    assert len(standing_findings(harness.db)) == 1


def test_neither_findings_nor_incidents_hold_a_persons_data(harness: IntegrityHarness) -> None:
    harness.add_email(prospect_id=None, to_email="secret@example.com", subject="secret", body="secret", status="secret")
    harness.add_prospects(2)
    harness.sync()
    harness.tamper("prospects", harness.one("select id from prospects limit 1")["id"], name="secret")
    harness.check(fix=True, cap=0)
    reported = harness.rows(
        "select string_agg(told::text, ' ') as told from (select to_jsonb(f) from integrity_findings f "
        "union all select to_jsonb(i) from incidents i "
        "union all select to_jsonb(r) from integrity_runs r) as all_of (told)"
    )[0]["told"]
    assert "orphaned_email" in reported
    assert "secret" not in reported


def test_an_erasure_empties_the_copies_that_fixes_keep(harness: IntegrityHarness) -> None:
    rows = harness.add_prospects(2)
    harness.sync()
    for row in rows:
        harness.tamper("prospects", row, city="Elsewhere")
    harness.check(fix=True)
    person = Person(addresses=frozenset({"p1@example.com"}))
    assert count_fixes(harness.db, person) == 1
    assert erase_fixes(harness.db, person) == 1
    assert count_fixes(harness.db, person) == 0
    assert count_fixes(harness.db, Person()) == 0
    assert len(harness.revert(f"run-{harness.fixes()[0]['run_id']}").left) == 1
