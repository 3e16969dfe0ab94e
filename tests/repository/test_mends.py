"""The page names what mends an incident: every kind of the handbook, by commands that exist."""

import re

import pytest

from crm_relay.operations.views.mends import MENDS, mend_of
from tests.support.source_tree import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
COMMANDS = set(re.findall(r"^## (crm-relay .+)$", CLI, re.MULTILINE))


def documented() -> set[str]:
    """The kinds of the tables whose first column is an incident."""
    tables = re.findall(r"^\| incident \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", OPERATIONS, re.MULTILINE)
    cells = [line.split("|")[1] for table in tables for line in table.splitlines()]
    return {kind for cell in cells for kind in re.findall(r"`([a-z]+_[a-z_]+)`", cell)}


def test_every_kind_of_the_handbook_has_its_mend() -> None:
    assert len(documented()) > 20
    assert documented() - MENDS.keys() == set()


@pytest.mark.parametrize("kind", sorted(MENDS))
def test_a_command_that_is_named_exists(kind: str) -> None:
    command = mend_of(kind).command
    if command is not None:
        words = re.sub(r" (--?\S+|<\w+>)", "", command)
        assert words in COMMANDS or any(each.startswith(words + " ") for each in COMMANDS), command


def test_a_kind_that_is_new_is_not_left_without_advice() -> None:
    assert mend_of("unheard_of").command == "crm-relay doctor"
    assert mend_of("integrity_drift").command == "crm-relay integrity check --fix"
