"""What the documents say is there, is there; and what is there, they say."""

import importlib
import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli.main import app
from crm_relay.customers.field_map import FIELDS
from crm_relay.platform.settings import SECRET_ID, SettingsModel
from crm_relay.providers.mautic.vocabulary import HOOK_EVENTS
from local.simulators.mautic.contact_fields import SYNC_FIELDS
from local.template.template import SamTemplate
from tests.support.source_tree import ROOT

TEMPLATE = SamTemplate.read(ROOT / "template.yaml")
FUNCTIONS = sorted(TEMPLATE.functions)
# Read by the platform, by Powertools or by the command line.
NOT_OF_A_FUNCTION = {SECRET_ID, "LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


README, CONTRIBUTING, CHANGELOG = text_of("README.md"), text_of("CONTRIBUTING.md"), text_of("CHANGELOG.md")
DEPLOY, OPERATIONS, ENV_EXAMPLE = text_of("docs/deploy.md"), text_of("docs/operations.md"), text_of(".env.example")


def tracked() -> list[Path]:
    """Files of the repository, those included that are about to be added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [path for name in listed if name and (path := ROOT / name).is_file() and not path.is_symlink()]


DOCUMENTS = [path for path in tracked() if path.suffix == ".md"]


def settings_of(function: str) -> dict[str, set[str]]:
    """Variable -> functions that read it."""
    kind = importlib.import_module(f"{function}.settings").Settings
    assert issubclass(kind, SettingsModel)
    return {field.upper(): {function} for field in kind.model_fields}


def readers() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for function in FUNCTIONS:
        for name, by in settings_of(function).items():
            found[name] = found.get(name, set()) | by
    return found


def table_row(document: str, first_cell: str) -> str:
    rows = [line for line in document.splitlines() if line.startswith(f"| `{first_cell}` |")]
    assert len(rows) == 1, f"{first_cell} stands in {len(rows)} rows"
    return rows[0]


def commands(command: Any, path: str = "crm-relay") -> Iterator[str]:
    """Every command that does something; a group alone only shows its help."""
    if not hasattr(command, "commands"):
        yield path
        return
    for name, inner in command.commands.items():
        yield from commands(inner, f"{path} {name}")


def anchors(document: Path) -> set[str]:
    """The fragments under which a reader finds its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(document: Path) -> list[tuple[str, str]]:
    """(path, fragment) of every relative link outside code."""
    prose = re.sub(r"```.*?```|`[^`\n]*`(?!\])", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [(path, fragment) for path, _, fragment in (t.partition("#") for t in targets if "://" not in t)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_readme_has_a_row_for_every_function(name: str) -> None:
    assert table_row(README, name)


def test_the_readme_names_every_setting_and_who_reads_it() -> None:
    for name, by in readers().items():
        triggers = table_row(README, name).split("|")[2]
        named = set(re.findall(r"`(\w+)`", triggers))
        assert by == (set(FUNCTIONS) - named if triggers.strip().startswith("all") else named), name
    assert table_row(README, SECRET_ID)


def test_the_readme_names_no_setting_that_nobody_reads() -> None:
    named = set(re.findall(r"^\| `([A-Z][A-Z_]+)` \|", README, re.MULTILINE))
    assert named - readers().keys() == NOT_OF_A_FUNCTION


def test_the_example_environment_has_every_setting_once_under_a_comment_and_no_value() -> None:
    lines = ENV_EXAMPLE.splitlines()
    settings = [(before, line) for before, line in pairwise(lines) if re.match(r"[A-Z_]+=", line)]
    names = [line.removesuffix("=") for _, line in settings]
    assert sorted(names) == sorted(readers().keys() | NOT_OF_A_FUNCTION)
    assert all(before.startswith("# ") and not before.startswith("# ---") for before, _ in settings)


def test_the_readme_names_every_command() -> None:
    named = set(re.findall(r"^\| `(crm-relay [a-z -]*[a-z])", README, re.MULTILINE))
    assert named == set(commands(typer.main.get_command(app)))


def test_the_readme_names_every_make_target() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), re.MULTILINE)
    assert targets
    assert [target for target in targets if f"`make {target}" not in README] == []


def test_contributing_names_every_room_and_every_folder_of_tests() -> None:
    layer = ROOT / "shared" / "crm_relay"
    rooms = {path.parent.name for path in layer.glob("*/__init__.py")} - {"providers"}
    rooms |= {f"providers/{path.parent.name}" for path in layer.glob("providers/*/__init__.py")}
    folders = {f"tests/{path.name}" for path in (ROOT / "tests").iterdir() if any(path.glob("*.py"))}
    assert sorted(room for room in rooms | folders if f"`{room}/`" not in CONTRIBUTING) == []


def test_the_deployment_makes_every_field_and_every_event_that_is_used() -> None:
    made = {str(field["alias"]) for field in SYNC_FIELDS}
    assert made <= FIELDS.keys()
    assert sorted(alias for alias in made if f"`{alias}`" not in DEPLOY) == []
    assert set(re.findall(r"`(mautic\.\w+)`", DEPLOY)) == set(HOOK_EVENTS)


def test_operations_say_what_to_do_about_every_alarm() -> None:
    alarms = sorted(TEMPLATE.resources("AWS::CloudWatch::Alarm"))
    assert [alarm for alarm in alarms if f"| `{alarm}` |" not in OPERATIONS] == []


def test_the_documents_name_no_output_and_no_parameter_that_the_stack_lacks() -> None:
    outputs = TEMPLATE.document["Outputs"].keys()
    assert set(re.findall(r"<([A-Z]\w+)>", DEPLOY + OPERATIONS)) - {"Function"} <= outputs
    overrides = re.findall(r'"([A-Z]\w+)=', DEPLOY + OPERATIONS)
    assert set(overrides) <= TEMPLATE.document["Parameters"].keys()


def test_the_changelog_is_open_for_the_next_version() -> None:
    assert re.search(r"^## \[Unreleased\]$", CHANGELOG, re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(document: Path) -> None:
    for path, fragment in links(document):
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), path
        assert not fragment or fragment in anchors(target), f"{path}#{fragment}"


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    place = re.compile(rb"(?<![\w.])/(work|root)/")
    assert [str(path.relative_to(ROOT)) for path in tracked() if place.search(path.read_bytes())] == []
