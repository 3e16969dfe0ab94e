"""What SQL takes for an identifier: exactly the form that PostgreSQL writes, in either case, and nothing raises."""

import re
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_relay.platform.database import Database
from tests.support.platform.rows import one, rows_of

IDENTIFIER = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
ODD_CHARACTERS = st.one_of(
    st.sampled_from("-_%\n g0F\\é٣"), st.characters(exclude_categories=["Cs"], exclude_characters="\0")
)
# Up to three edits of an identifier: replace, insert or remove the character at a position.
EDITS = st.lists(st.tuples(st.sampled_from("ria"), st.integers(0, 36), ODD_CHARACTERS), max_size=3)


def edited(value: str, edits: list[tuple[str, int, str]]) -> str:
    """`value` after the edits, the last character the nearest for a position beyond it."""
    for kind, position, character in edits:
        rest = value[position:] if kind == "a" else value[position + 1 :]
        value = value[:position] + ("" if kind == "r" else character) + rest
    return value


def assert_read(database: Database, texts: list[str]) -> None:
    """Of every text the identifier that it is in the form of PostgreSQL, or null."""
    rows = rows_of(
        database,
        "select uuid_or_null(value) as id from unnest(:texts::text[]) with ordinality t (value, place) order by place",
        texts=texts,
    )
    assert [row["id"] for row in rows] == [UUID(text) if IDENTIFIER.fullmatch(text) else None for text in texts]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.uuids(), st.booleans(), EDITS), min_size=1, max_size=40))
def test_identifiers_and_texts_that_nearly_are(
    database: Database, drawn: list[tuple[UUID, bool, list[tuple[str, int, str]]]]
) -> None:
    """A text of another shape is null, whatever a cast would make of it."""
    assert_read(database, [edited(str(value).upper() if upper else str(value), edits) for value, upper, edits in drawn])


def test_one_character_at_every_place(database: Database) -> None:
    """A hyphen, a letter beyond f and a missing or further character, at each place of an identifier."""
    value = str(UUID(int=0x1234567890ABCDEF1234567890ABCDEF))
    edits = [(kind, place, character) for kind in "ria" for place in range(37) for character in "-gF "]
    assert_read(database, [edited(value, [edit]) for edit in edits])


def test_null_is_null(database: Database) -> None:
    """A missing setting is no identifier."""
    assert one(database, "select uuid_or_null(null) as id")["id"] is None
