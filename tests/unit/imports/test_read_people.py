"""What a file says: its encoding, its columns, and each line's person and consent."""

from pathlib import Path

import pytest

from crm_relay.consent.models import ConsentKind
from crm_relay.imports.columns import header_of, map_columns
from crm_relay.imports.models import PersonKind
from crm_relay.imports.read_people import read_person
from crm_relay.imports.text_file import open_text
from crm_relay.platform.errors import RejectedInput

CONTACTS, CUSTOMERS, PROSPECTS = PersonKind.CONTACTS, PersonKind.CUSTOMERS, PersonKind.PROSPECTS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_a_file_is_read_in_the_encoding_that_it_has(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "people.csv"
    file.write_text("Email,Vorname\na@x.example,Jörg\n", encoding=encoding)

    text = open_text(file)

    assert [line.lstrip("\ufeff") for line in text] == ["Email,Vorname\n", "a@x.example,Jörg\n"]
    assert text.lines == 2


def test_what_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "picture.csv").write_bytes(b"\x81\x8d\x8f\x90\x9d")
    for path in (tmp_path / "picture.csv", tmp_path / "missing.csv", tmp_path):
        with pytest.raises(RejectedInput):
            open_text(path)


@pytest.mark.parametrize("line", ["Email,Vorname,Notes", "Email;Vorname;Notes", "\ufeffEmail\tVorname\tNotes"])
def test_the_separator_is_the_one_that_makes_columns(line: str) -> None:
    assert header_of(line) == ["Email", "Vorname", "Notes"]


def test_a_first_line_with_an_address_is_somebody_and_no_header() -> None:
    with pytest.raises(RejectedInput) as refused:
        header_of("ada@x.example,Ada")
    assert "ada" not in refused.value.message


@pytest.mark.parametrize(
    ("kind", "columns", "expected"),
    [
        (
            CONTACTS,
            ["E-mail Address", "First Name", "LAST_NAME", "Company", "Job Title", "Mobile Phone"],
            ["email", "first_name", "last_name", "phone", "company_name", "title"],
        ),
        (CUSTOMERS, ["Email", "Street", "Zip", "DOB"], ["email", "date_of_birth", "line_1", "postcode"]),
        (PROSPECTS, ["Email", "Company", "Full name", "Website"], ["email", "name", "contact_name", "website"]),
        (CONTACTS, ["Mail", "Unsubscribed", "Opt-in"], ["email", "consent", "opt_out"]),
        (CONTACTS, ["Mail", "Opt-out", "Consent"], ["email", "consent", "opt_out"]),
    ],
)
def test_columns_are_guessed(kind: PersonKind, columns: list[str], expected: list[str]) -> None:
    assert list(map_columns(kind, columns)) == expected


def test_what_is_said_goes_before_what_is_guessed() -> None:
    columns = ["Email", "Private", "Name"]
    assert map_columns(CONTACTS, columns, ["email=private", "last_name=NAME"]) == {
        "email": "Private",
        "last_name": "Name",
    }
    assert map_columns(CONTACTS, ["Email", "Phone"], ["phone="]) == {"email": "Email"}


def test_everything_that_is_wrong_with_the_columns_is_listed_at_once() -> None:
    with pytest.raises(RejectedInput) as refused:
        map_columns(CONTACTS, ["A", "B"], ["mood=A", "phone=C", "title"])
    assert [each.split(":")[0] for each in refused.value.details] == ["--map mood", "--map phone", "--map title"]
    with pytest.raises(RejectedInput, match="not clear"):
        map_columns(CONTACTS, ["A", "B"])
    with pytest.raises(RejectedInput) as twice:
        map_columns(CONTACTS, ["Email", "email", "B"])
    assert "two columns are called" in twice.value.details[0]


@pytest.mark.parametrize(
    ("ours", "columns"),
    [("opt_out", ["Unsubscribed", "Do not contact"]), ("consent", ["Newsletter", "Opt-in", "opt in"])],
)
def test_no_second_column_in_which_somebody_may_refuse_is_passed_over(ours: str, columns: list[str]) -> None:
    with pytest.raises(RejectedInput) as refused:
        map_columns(CONTACTS, ["Email", *columns])
    assert [each.partition(":")[0] for each in refused.value.details] == [ours]
    said = map_columns(CONTACTS, ["Email", *columns], [f"{ours}={columns[1]}"])
    assert said == {"email": "Email", ours: columns[1]}


def test_an_address_is_normalised_and_an_empty_cell_says_nothing() -> None:
    line = read_person(CONTACTS, {"email": "Ada <ADA@Example.com>", "first_name": "  Ada  B ", "phone": " "})
    assert (line.address, dict(line.fields), line.problem) == ("ada@example.com", {"first_name": "Ada B"}, None)


@pytest.mark.parametrize("email", ["", "ada", "ada@", "@x.example", "a@x.example b@x.example"])
def test_a_line_that_names_nobody_is_refused(email: str) -> None:
    with pytest.raises(RejectedInput, match=r"^email: "):
        read_person(CONTACTS, {"email": email})


@pytest.mark.parametrize(
    ("kind", "column", "value"),
    [
        (CONTACTS, "timezone", "Mars/Base"),
        (CUSTOMERS, "phone", "030 1234"),
        (CUSTOMERS, "date_of_birth", "23/5/84"),
        (CONTACTS, "first_name", "a\0b"),
        (CONTACTS, "title", "x" * 501),
        (CONTACTS, "consent", "perhaps"),
        (CONTACTS, "opt_out", "perhaps"),
    ],
)
def test_a_cell_that_cannot_be_kept_is_a_problem_that_names_the_column(
    kind: PersonKind, column: str, value: str
) -> None:
    problem = read_person(kind, {"email": "a@x.example", column: value}).problem
    assert problem is not None
    assert problem.startswith(f"{column}: ")
    assert value not in problem


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"consent": "Yes"}, ConsentKind.CONSENT),
        ({"consent": "opt-in"}, ConsentKind.CONSENT),
        ({"consent": "no"}, ConsentKind.OPT_OUT),
        ({"consent": "Unsubscribed"}, ConsentKind.OPT_OUT),
        ({"opt_out": "true"}, ConsentKind.OPT_OUT),
        ({"consent": "yes", "opt_out": "yes"}, ConsentKind.OPT_OUT),
        ({"opt_out": "no"}, None),
        ({"consent": ""}, None),
    ],
)
def test_consent_is_read_and_an_opt_out_in_either_column_wins(cells: dict[str, str], kind: ConsentKind | None) -> None:
    consent = read_person(CONTACTS, {"email": "a@x.example", **cells}).consent
    assert (consent and consent.kind) == kind


def test_an_opt_out_counts_whatever_else_is_wrong_with_its_line_or_its_time() -> None:
    line = read_person(CUSTOMERS, {"email": "a@x.example", "phone": "12", "consent": "no", "consent_at": "last summer"})
    assert line.problem is not None
    assert line.consent is not None
    assert (line.consent.kind, line.consent.at) == (ConsentKind.OPT_OUT, None)
    opt_in = read_person(CUSTOMERS, {"email": "a@x.example", "consent": "yes", "consent_at": "2026-05-01"})
    assert (opt_in.problem or "").startswith("consent_at: ")
