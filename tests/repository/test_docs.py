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
from pydantic.fields import FieldInfo

from cli.main import app
from crm_relay.customers.field_map import FIELDS
from crm_relay.integrity.models import CHECKS
from crm_relay.platform.settings import SECRET_ID, SettingsModel
from crm_relay.providers.mautic.vocabulary import HOOK_EVENTS
from local.docs.command_pages import commands as all_commands
from local.docs.function_pages import about, tables
from local.docs.pages import generated_files
from local.docs.settings_pages import setting_of
from local.simulators.mautic.contact_fields import SYNC_FIELDS
from local.template.nested import alarms
from local.template.template import SamTemplate
from tests.support.source_tree import ROOT, query_files

TEMPLATE = SamTemplate.read(ROOT / "template.yaml")
FUNCTIONS = sorted(TEMPLATE.functions)
LEVELS = ("essential", "full")
# Read by the platform, by Powertools or by the command line.
NOT_OF_A_FUNCTION = {SECRET_ID, "LOG_LEVEL", "POWERTOOLS_SERVICE_NAME"}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


README, CONTRIBUTING, CHANGELOG = text_of("README.md"), text_of("CONTRIBUTING.md"), text_of("CHANGELOG.md")
DEPLOY, OPERATIONS, ENV_EXAMPLE = text_of("docs/deploy.md"), text_of("docs/operations.md"), text_of(".env.example")
FUNCTIONS_PAGE, SETTINGS, CLI = text_of("docs/functions.md"), text_of("docs/settings.md"), text_of("docs/cli.md")
ARCHITECTURE, GLOSSARY = text_of("docs/architecture.md"), text_of("docs/glossary.md")
GENERATED = generated_files()
LAYER = ROOT / "shared" / "crm_relay"
README_LIMIT = 8192
# By erasure, by `crm-relay bison webhooks ensure` and by `crm-relay import`.
WRITTEN_BY_COMMANDS = {
    "customer_addresses",
    "customer_phones",
    "erasure_receipts",
    "provider_topics",
    "unfinished_erasures",
    "user_profiles",
    "workspaces",
}


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


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_file_is_current(name: str) -> None:
    assert text_of(name) == GENERATED[name], "run `make docs`"


def test_the_readme_can_be_read_at_once() -> None:
    assert len(README.encode()) <= README_LIMIT


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_described_and_listed_in_the_readme(name: str) -> None:
    assert f"\n## {name}\n" in FUNCTIONS_PAGE
    assert f"| [`{name}`](docs/functions.md#{name}) |" in README


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_use_cases_exist(name: str) -> None:
    assert [each for each in about(name).use_cases if not (LAYER / each).is_file()] == []


def test_every_table_that_a_query_writes_is_named_by_a_function_or_a_command() -> None:
    queries = "".join(path.read_text(encoding="utf-8") for path in query_files())
    written = set(re.findall(r"(?:insert into|update|delete from) ([a-z_.]+)", queries)) & tables()
    named = {word for name in FUNCTIONS for word in re.findall(r"[a-z_.]+", about(name).writes)}
    assert written - named == WRITTEN_BY_COMMANDS


def every_alarm() -> set[str]:
    """Of both levels."""
    return {
        name for level in LEVELS for name in alarms(SamTemplate.read(ROOT / "template.yaml", {"AlarmLevel": level}))
    }


def test_every_alarm_is_named_by_a_function() -> None:
    assert [alarm for alarm in every_alarm() if f"`{alarm}`" not in FUNCTIONS_PAGE] == []


def test_an_alarm_that_a_function_names_itself_exists() -> None:
    assert {alarm for name in FUNCTIONS for alarm in about(name).alarms} <= every_alarm()


def test_the_settings_page_names_every_setting_and_its_readers() -> None:
    for name, by in readers().items():
        cell = table_row(SETTINGS, name).replace("\\|", "").split("|")[4]
        named = set(re.findall(r"`(\w+)`", cell))
        assert by == (set(FUNCTIONS) - named if cell.strip().startswith("all") else named), name
    assert all(table_row(SETTINGS, name) for name in NOT_OF_A_FUNCTION)


def test_the_settings_page_names_no_setting_that_nobody_reads() -> None:
    named = set(re.findall(r"^\| `([A-Z][A-Z_]+)` \|", SETTINGS, re.MULTILINE))
    assert named - readers().keys() == NOT_OF_A_FUNCTION


def test_a_setting_with_two_descriptions_is_refused() -> None:
    with pytest.raises(ValueError, match="one description"):
        setting_of("X", {"one": FieldInfo(description="this"), "two": FieldInfo(description="that")})


def test_the_example_environment_has_every_setting_once_under_a_comment_and_no_value() -> None:
    lines = ENV_EXAMPLE.splitlines()
    settings = [(before, line) for before, line in pairwise(lines) if re.match(r"[A-Z_]+=", line)]
    names = [line.removesuffix("=") for _, line in settings]
    assert sorted(names) == sorted(readers().keys() | NOT_OF_A_FUNCTION)
    assert all(before.startswith("# ") and not before.startswith("# ---") for before, _ in settings)


def test_the_page_of_the_command_line_has_every_command() -> None:
    named = set(re.findall(r"^## (crm-relay .+)$", CLI, re.MULTILINE))
    assert named == set(commands(typer.main.get_command(app)))


def test_every_command_and_option_is_described() -> None:
    assert [path for path, command in all_commands() if not command.help] == []
    options = [(path, each) for path, command in all_commands() for each in command.params]
    assert [f"{path} {each.name}" for path, each in options if each.param_type_name == "option" and not each.help] == []


def test_contributing_names_every_make_target() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), re.MULTILINE)
    assert targets
    assert [target for target in targets if f"`make {target}" not in CONTRIBUTING] == []


def test_the_architecture_names_every_room_and_contributing_every_folder_of_tests() -> None:
    rooms = {path.parent.name for path in LAYER.glob("*/__init__.py")} - {"providers"}
    rooms |= {f"providers/{path.parent.name}" for path in LAYER.glob("providers/*/__init__.py")}
    assert sorted(room for room in rooms if f"`{room}/`" not in ARCHITECTURE) == []
    folders = {f"tests/{path.name}" for path in (ROOT / "tests").iterdir() if any(path.rglob("*.py"))}
    assert sorted(folder for folder in folders if f"`{folder}/`" not in CONTRIBUTING) == []


def test_a_walk_through_the_house_reads_at_most_eight_files() -> None:
    walks = re.split(r"^## ", ARCHITECTURE, flags=re.MULTILINE)
    steps = {walk.splitlines()[0]: re.findall(r"^\d+\. \[", walk, re.MULTILINE) for walk in walks if "\n1. [" in walk}
    assert len(steps) == 2
    assert all(len(files) <= 8 for files in steps.values())


def test_the_glossary_is_sorted_and_explains_a_word_once() -> None:
    words = re.findall(r"^\| ([a-z-]+(?: [a-z-]+)*) \|", GLOSSARY, re.MULTILINE)[1:]
    assert len(words) > 40
    assert words == sorted(set(words))


def test_the_deployment_makes_every_field_and_every_event_that_is_used() -> None:
    made = {str(field["alias"]) for field in SYNC_FIELDS}
    assert made <= FIELDS.keys()
    assert sorted(alias for alias in made if f"`{alias}`" not in DEPLOY) == []
    assert set(re.findall(r"`(mautic\.\w+)`", DEPLOY)) == set(HOOK_EVENTS)


def test_operations_say_what_to_do_about_every_alarm() -> None:
    levels = {level: alarms(SamTemplate.read(ROOT / "template.yaml", {"AlarmLevel": level})) for level in LEVELS}
    expected = {
        name: "both" if all(name in each for each in levels.values()) else level
        for level, found in levels.items()
        for name in found
    }
    listed = dict(re.findall(r"^\| `(\w+)` \| (essential|full|both) \|", OPERATIONS, re.MULTILINE))
    assert listed == expected


def test_the_documents_name_no_output_and_no_parameter_that_the_stack_lacks() -> None:
    outputs = TEMPLATE.document["Outputs"].keys()
    assert set(re.findall(r"<([A-Z]\w+)>", DEPLOY + OPERATIONS)) - {"Function"} <= outputs
    overrides = re.findall(r'"([A-Z]\w+)=', DEPLOY + OPERATIONS)
    assert set(overrides) <= TEMPLATE.document["Parameters"].keys()


def test_operations_explain_every_integrity_check() -> None:
    assert [check for check in CHECKS if f"| `{check}` |" not in OPERATIONS] == []


def test_contributing_points_at_files_that_exist() -> None:
    """Paths of the layer are written from `shared/crm_relay/` on, as a reader says them."""
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.(?:py|sql|js|html))`", CONTRIBUTING))
    assert named
    bases = (ROOT, LAYER)
    assert sorted(path for path in named if not any((base / path).is_file() for base in bases)) == []


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
