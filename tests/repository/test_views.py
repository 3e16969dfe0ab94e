"""A migration that redefines a view starts from the newest definition, and so loses nothing that a later one added."""

import re
from dataclasses import dataclass
from itertools import pairwise

import pytest

from crm_relay.customers.field_map import FIELDS
from tests.support.source_tree import ROOT

_VIEW = re.compile(r"^create (?:or replace )?view (\w+)\b.*?;$", re.MULTILINE | re.DOTALL)
_REPLACES = re.compile(r"^-- replaces: (.+)$", re.MULTILINE)
# Lines that a migration replaced before the rule was there, by file.
_BEFORE_THE_RULE = {
    "20260101000020_erasure.sql": {
        "profile.do_not_contact is true as do_not_contact",
        "when consent.suppressed_by in ('opt_out', 'complaint') then 1",
    },
}


@dataclass(frozen=True)
class ViewDefinition:
    """One definition of a view, with the lines that its migration says it replaces."""

    file: str
    lines: tuple[str, ...]
    replaced: frozenset[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def definitions(files: dict[str, str]) -> dict[str, list[ViewDefinition]]:
    """View -> its definitions, oldest first; `files` are migrations in their order."""
    found: dict[str, list[ViewDefinition]] = {}
    for name, text in files.items():
        replaced = {line_of(line) for line in _REPLACES.findall(text)} | _BEFORE_THE_RULE.get(name, set())
        for view in _VIEW.finditer(text):
            lines = tuple(line for each in view[0].splitlines()[1:] if (line := line_of(each)))
            found.setdefault(view[1], []).append(ViewDefinition(name, lines, frozenset(replaced)))
    return found


def line_of(text: str) -> str:
    """Without comment, indentation and the comma or semicolon at its end."""
    return re.sub(r"--.*", "", text).strip().rstrip(",;").strip()


def lost(older: ViewDefinition, newer: ViewDefinition) -> list[str]:
    """Lines that the newer one has not, and does not say that it replaces."""
    return [line for line in older.lines if line not in newer.lines and line not in newer.replaced]


MIGRATIONS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "migrations").glob("*.sql"))}
VIEWS = definitions(MIGRATIONS)
REDEFINED = [(view, *pair) for view, all_of in VIEWS.items() for pair in pairwise(all_of)]


@pytest.mark.parametrize(
    ("view", "older", "newer"), REDEFINED, ids=[f"{view}-{new.file}" for view, _, new in REDEFINED]
)
def test_a_view_that_is_redefined_keeps_every_line(view: str, older: ViewDefinition, newer: ViewDefinition) -> None:
    """Copy the newest definition. A line that is meant to go is named in the migration: `-- replaces: <the line>`."""
    assert lost(older, newer) == [], f"{newer.file} redefines {view} without what {older.file} has"


def test_a_definition_copied_from_an_old_migration_is_noticed() -> None:
    first = MIGRATIONS["20260101000007_customer_view.sql"]
    copied = definitions(MIGRATIONS | {"29991231000000_tier.sql": first})["mautic_sync_source"]
    assert any("'erased'" in line for line in lost(copied[-2], copied[-1]))


def test_a_line_may_be_replaced_by_name() -> None:
    views = definitions(
        {
            "1_a.sql": "create view v as\nselect\n    a,\n    b\nfrom t;",
            "2_b.sql": "-- replaces: b\ncreate or replace view v as\nselect\n    a,\n    c\nfrom t;",
        }
    )["v"]
    assert lost(*views) == []


def test_every_field_of_mautic_is_in_the_view_and_in_its_fingerprint() -> None:
    """Without the second, a change of the column would never be sent."""
    newest = VIEWS["mautic_sync_source"][-1].text
    fingerprint = newest[: newest.index("as fingerprint")]
    columns = set(FIELDS.values()) - {"customer_id"}
    assert {column for column in columns if f"wanted.{column}" not in fingerprint} == set()
