"""People of a file in the CRM: each kind, repeated, interrupted, for one of two organizations, and with bad lines."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from cli.imports.import_people import open_people
from cli.main import app
from crm_relay.imports import import_people
from crm_relay.imports.import_people import ImportRun
from crm_relay.imports.models import ImportCounts, PersonKind
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database, Transaction
from crm_relay.platform.sql import Query, SqlValue, Statement
from tests.support.platform.rows import one, rows_of

CONTACTS, CUSTOMERS, PROSPECTS = PersonKind.CONTACTS, PersonKind.CUSTOMERS, PersonKind.PROSPECTS
FILES = {
    CONTACTS: "E-Mail,First Name,Company,Timezone\nADA@x.example,Ada,Engines,Europe/Berlin\nben@x.example,Ben,,\n",
    CUSTOMERS: "Email;Vorname;Phone;Street;City\nADA@x.example;Ada;+49 30 123456;Hill 1;Ulm\nben@x.example;Ben;;;\n",
    PROSPECTS: "Email\tCompany\tFull name\nADA@x.example\tEngines\tAda\nben@x.example\t\tBen\n",
}
PEOPLE = {
    CONTACTS: "select email, first_name || '/' || coalesce(company_name, '') as said from contacts order by email",
    CUSTOMERS: """
        select
            mail.email,
            concat_ws('/', profile.first_name, coalesce(phone.phone_e164, ''), coalesce(place.city, '')) as said
        from customer_profiles profile
        join customer_emails mail on mail.customer_id = profile.id and mail.is_primary
        left join customer_phones phone on phone.customer_id = profile.id
        left join customer_addresses place on place.customer_id = profile.id
        order by mail.email""",
    PROSPECTS: "select contact_email as email, name || '/' || coalesce(contact_name, '') as said from prospects",
}


def run(database_url: str, *arguments: str | Path) -> tuple[int, str]:
    given = ["import", *map(str, arguments)]
    done = CliRunner().invoke(app, given, env={"DATABASE_URL": database_url, "COLUMNS": "250"})
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


def counts_of(database_url: str, *arguments: str | Path) -> dict[str, Any]:
    code, printed = run(database_url, *arguments, "--json")
    found: dict[str, Any] = json.loads(printed)
    assert code == (1 if found["bad"] else 0)
    assert found["read"] == sum(found[name] for name in ("new", "changed", "unchanged", "bad", "repeated"))
    return found


def some(found: dict[str, Any]) -> dict[str, int]:
    return {name: found[name] for name in ("new", "changed", "unchanged", "bad", "repeated") if found[name]}


def people(database: Database, kind: PersonKind) -> dict[str, str]:
    return {row["email"]: row["said"] for row in rows_of(database, PEOPLE[kind])}


def file_of(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "people.csv"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (CONTACTS, {"ada@x.example": "Ada/Engines", "ben@x.example": "Ben/"}),
        (CUSTOMERS, {"ada@x.example": "Ada/+4930123456/Ulm", "ben@x.example": "Ben//"}),
        (PROSPECTS, {"ada@x.example": "Engines/Ada", "ben@x.example": "Ben/Ben"}),
    ],
)
def test_people_are_new_then_unchanged_then_changed(
    database: Database, database_url: str, tmp_path: Path, kind: PersonKind, expected: dict[str, str]
) -> None:
    file = file_of(tmp_path, FILES[kind])

    assert some(counts_of(database_url, kind, file, "--dry-run")) == {"new": 2}
    assert people(database, kind) == {}
    assert some(counts_of(database_url, kind, file)) == {"new": 2}
    assert people(database, kind) == expected
    assert some(counts_of(database_url, kind, file)) == {"unchanged": 2}
    file_of(tmp_path, FILES[kind].replace("Ben", "Benno"))
    assert some(counts_of(database_url, kind, file)) == {"changed": 1, "unchanged": 1}
    assert people(database, kind)["ben@x.example"].startswith("Ben" if kind is PROSPECTS else "Benno")
    assert people(database, kind)["ada@x.example"] == expected["ada@x.example"]


def test_who_is_stored_with_another_spelling_is_the_same_person_and_an_empty_cell_leaves_what_is_known(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    rows_of(
        database,
        "insert into contacts (org_id, email, first_name, phone) "
        "values (default_org_id(), ' Ada@X.example', 'Ada', '1')",
    )

    found = counts_of(database_url, CONTACTS, file_of(tmp_path, "Email,First name,Phone\nada@x.example,Augusta,\n"))

    assert some(found) == {"changed": 1}
    row = one(database, "select email, first_name, phone from contacts")
    assert (row["first_name"], row["phone"]) == ("Augusta", "1")


def test_bad_lines_are_in_a_file_of_their_own_which_can_be_mended_and_imported(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    lines = ["Email,Phone", "ada@x.example,+49 30 123456", "ben,", "cyd@x.example,12", "ADA@x.example,+49 30 123456"]
    file = file_of(tmp_path, "\n".join([*lines, "ada@x.example,+49 30 99999"]) + "\n")

    found = counts_of(database_url, CUSTOMERS, file)

    assert some(found) == {"new": 1, "bad": 2, "repeated": 2}
    bad = Path(found["bad_lines_file"])
    assert bad.read_text("utf-8-sig").splitlines() == [
        "line,reason,Email,Phone",
        "3,email: is not one address,ben,",
        '4,"phone: is no number with its country, such as +49 30 123456",cyd@x.example,12',
        "6,line 2 has the same address and says something else,ada@x.example,+49 30 99999",
    ]
    bad.write_text("line,reason,Email,Phone\n4,mended,cyd@x.example,+49 30 123457\n", encoding="utf-8")
    assert some(counts_of(database_url, CUSTOMERS, bad)) == {"new": 1}
    assert sorted(people(database, CUSTOMERS)) == ["ada@x.example", "cyd@x.example"]


def test_without_a_choice_of_two_organizations_nothing_is_imported(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    other: UUID = one(database, "insert into organizations (id, name) values (:id, 'Other') returning id", id=uuid4())[
        "id"
    ]
    file = file_of(tmp_path, FILES[CONTACTS])

    code, printed = run(database_url, CONTACTS, file)
    assert (code, people(database, CONTACTS)) == (2, {})
    assert {"--org:", "Other"} <= set(printed.split())
    assert run(database_url, CONTACTS, file, "--org", "Nobody's")[0] == 2

    for kind in PersonKind:
        file = file_of(tmp_path, FILES[kind])
        assert some(counts_of(database_url, kind, file, "--org", "Other")) == {"new": 2}
        mine = one(database, "select default_org_id() as id")["id"]
        # The other organization's people are nobody's here.
        assert some(counts_of(database_url, kind, file, "--org", str(mine))) == {"new": 2}
        assert some(counts_of(database_url, kind, file, "--org", str(other))) == {"unchanged": 2}


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("Name,Notes\nAda,x\n", []),
        ("", []),
        ("ada@x.example,Ada\n", []),
        (FILES[CONTACTS], ["--map", "mood=Company"]),
        (FILES[CONTACTS], ["--map", "title=Nowhere"]),
        (FILES[CONTACTS], ["--encoding", "ascii-or-so"]),
    ],
)
def test_wrong_use_ends_with_2_and_changes_nothing(
    database: Database, database_url: str, tmp_path: Path, text: str, arguments: list[str]
) -> None:
    assert run(database_url, CONTACTS, file_of(tmp_path, text), *arguments)[0] == 2
    assert people(database, CONTACTS) == {}


def test_the_columns_are_shown_with_what_becomes_of_them(database: Database, database_url: str, tmp_path: Path) -> None:
    file = file_of(tmp_path, "Mail,Nickname,Shoe size\nada@x.example,Ada,38\n")

    code, printed = run(database_url, CONTACTS, file, "--map", "first_name=Nickname", "--dry-run")

    assert code == 0
    shown = [line.split() for line in printed.splitlines()]
    assert any({"Nickname", "first_name"} <= set(line) for line in shown)
    assert any({"Shoe", "size", "(not", "imported)"} <= set(line) for line in shown)


def run_of(database: Database, file: Path, kind: PersonKind = CONTACTS) -> ImportRun:
    org: UUID = one(database, "select default_org_id() as id")["id"]
    return ImportRun(database, open_people(file, kind, []), org, utc_now())


def many(tmp_path: Path, count: int) -> Path:
    lines = (f"p{number}@x.example,P{number},yes,2026-05-01T10:00:00Z,form {number}\n" for number in range(count))
    return file_of(tmp_path, "Email,First name,Consent,Consent at,Evidence\n" + "".join(lines))


def test_an_import_that_is_killed_between_two_batches_is_finished_by_repeating_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_people, "BATCH", 10)
    killed = run_of(database, many(tmp_path, 35))

    def die(counts: ImportCounts) -> None:
        if counts.read == 20:
            raise KeyboardInterrupt

    killed.on_batch = die
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    assert len(people(database, CONTACTS)) == 20

    again = run_of(database, killed.file.text.path).run()

    assert (again.new, again.unchanged, again.opt_ins_recorded) == (15, 20, 15)
    assert len(people(database, CONTACTS)) == one(database, "select count(*) as n from consent_events")["n"] == 35


@pytest.mark.parametrize("kind", list(PersonKind))
def test_a_batch_costs_the_same_number_of_statements_whatever_its_size(
    database: Database, tmp_path: Path, kind: PersonKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    run_one, send_all = Transaction.run, Transaction.send_all

    def counted_run(self: Transaction, query: Query, **values: SqlValue) -> Any:
        sent.append(query.name)
        return run_one(self, query, **values)

    def counted_send(self: Transaction, statements: list[Statement]) -> Any:
        sent.extend(each.query.name for each in statements)
        return send_all(self, statements)

    monkeypatch.setattr(Transaction, "run", counted_run)
    monkeypatch.setattr(Transaction, "send_all", counted_send)
    costs = []
    for count in (3, 300):
        name = "Company" if kind is PROSPECTS else "First name"
        lines = (f"{count}-{n}@x.example,P{n},yes,2026-05-01T10:00:00Z,form\n" for n in range(count))
        file = file_of(tmp_path, f"Email,{name},Consent,Consent at,Evidence\n" + "".join(lines))
        sent.clear()
        assert run_of(database, file, kind).run().new == count
        costs.append(sorted(sent))
    assert costs[0] == costs[1]
    assert len(costs[0]) <= 14
