"""Rooms and names: small folders, names that are unique and standard, no circles, tests beside what they test."""

import ast
import graphlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

import grimp

from tests.support.source_tree import ROOT, SourceFile, sources

PRODUCT = ("shared", "functions", "cli", "local")
EVERYTHING = (*PRODUCT, "tests", "benchmarks")
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/__init__.py"))

MOST_FILES = 13
# Folder -> why it may hold more.
CROWDED: dict[str, str] = {}

# Class name -> why it may repeat.
REPEATED: dict[str, str] = {
    "Settings": "each function has a class of this name, in settings.py",
}

# Old word -> the standard term. A word counts anywhere in an identifier, a name only alone.
WORDS = {
    "world": "Dependencies, Installation or Context; in a test Harness",
    "told": "what it is: reported, sent, message, event",
    "tell": "send, report, announce, log",
    "anew": "again",
    "whom": "recipient, person",
    "whoever": "the role: recipient, operator, caller",
}
NAMES = {"here": "Dependencies or Installation", "office": "SendContext", "at_most": "limit", "AtMost": "limit"}
# Identifier -> why it keeps an old word.
KEPT: dict[str, str] = {
    "is_told": "a key of the admin API's answers",
}

TEST_KINDS = ("unit", "contract", "integration", "end_to_end", "faults")
# Neighbours of the layer that have tests of their own.
NEIGHBOURS = ("cli", "local")


# --- folders --------------------------------------------------------------------------------------------------------


def crowded(paths: Iterable[str]) -> dict[str, int]:
    """Folders with more Python and SQL files than one takes in at a glance; a package's own files do not count."""
    files = (PurePosixPath(path) for path in paths)
    counted = Counter(str(file.parent) for file in files if file.name not in {"__init__.py", "__main__.py"})
    return {folder: number for folder, number in counted.items() if number > MOST_FILES}


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    paths = [
        str(path.relative_to(ROOT))
        for folder in PRODUCT
        for suffix in ("py", "sql")
        for path in (ROOT / folder).rglob(f"*.{suffix}")
    ]
    found = crowded(paths)
    assert {folder: number for folder, number in found.items() if folder not in CROWDED} == {}
    assert found.keys() >= CROWDED.keys(), "an exception that is no longer needed"


def test_a_crowded_folder_would_be_noticed() -> None:
    fits = [f"room/{number}.py" for number in range(MOST_FILES - 1)] + ["room/queries.sql", "room/__init__.py"]
    assert crowded(fits) == {}
    assert crowded([*fits, "room/more.sql"]) == {"room": MOST_FILES + 1}


# --- class names ----------------------------------------------------------------------------------------------------


def repeated_classes(found: Iterable[SourceFile]) -> dict[str, list[str]]:
    """Class names that are defined more than once, inner classes too; each user of a Protocol may declare it."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    protocols: set[str] = set()
    for source in found:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(source.path)
                protocols |= {node.name} if any("Protocol" in ast.unparse(base) for base in node.bases) else set()
    return {name: paths for name, paths in places.items() if len(paths) > 1 and name not in protocols}


def test_a_class_name_is_used_once() -> None:
    found = repeated_classes(sources(*EVERYTHING))
    assert {name: paths for name, paths in found.items() if name not in REPEATED} == {}
    assert found.keys() >= REPEATED.keys(), "an exception that is no longer needed"


def test_a_class_name_that_is_used_twice_would_be_noticed() -> None:
    twice = [_source("a.py", "class Report: ..."), _source("b.py", "def f():\n    class Report: ...")]
    assert repeated_classes(twice) == {"Report": ["a.py", "b.py"]}
    assert repeated_classes(twice[:1]) == {}


# --- circles --------------------------------------------------------------------------------------------------------


def circle(imports: Mapping[str, Iterable[str]]) -> list[str]:
    """Modules that import each other in a circle; empty where there is none."""
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_imports_go_in_a_circle() -> None:
    """Also not those that are for the type checker alone."""
    graph = grimp.build_graph("crm_relay", "cli", "local", *FUNCTIONS, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 400
    assert circle(imports) == []


def test_a_circle_would_be_noticed() -> None:
    assert circle({"a": ["b"], "b": ["c"], "c": []}) == []
    assert set(circle({"a": ["b"], "b": ["c"], "c": ["a"]})) == {"a", "b", "c"}


# --- words ----------------------------------------------------------------------------------------------------------


def named(tree: ast.AST) -> Iterator[str]:
    """Every identifier that a source gives a name to: classes, functions, parameters, variables, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname


def old_words(source: SourceFile) -> Iterator[str]:
    """Identifiers with a word that has a standard term; the sentence that a test's name is may use any."""
    for name in set(named(source.tree)):
        if name.startswith("test_") or name in KEPT:
            continue
        words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
        terms = [WORDS[word] for word in words if word in WORDS]
        terms += [NAMES[name.lstrip("_")]] if name.lstrip("_") in NAMES else []
        yield from (f"{source.path}: {name} -> {term}" for term in terms)


def test_names_are_the_standard_terms() -> None:
    assert sorted(each for source in sources(*EVERYTHING) for each in old_words(source)) == []


def test_an_exception_for_an_old_word_is_still_needed() -> None:
    known = {name for source in sources(*EVERYTHING) for name in named(source.tree)}
    assert KEPT.keys() <= known


def test_an_old_word_would_be_noticed() -> None:
    text = (
        "class MauticWorld:\n    told: bool\n"
        "def _tell_of(here, at_most=1):\n    self.world_now = here\n"
        "from a import b as office\n"
    )
    found = {line.split()[1] for line in old_words(_source("a.py", text))}
    assert found == {"MauticWorld", "told", "_tell_of", "here", "at_most", "world_now", "office"}
    fine = "def test_who_is_told() -> None:\n    only_here = foretold = OFFICE_HOURS = 1\n"
    assert list(old_words(_source("a.py", fine))) == []


# --- tests beside rooms ---------------------------------------------------------------------------------------------


def without_a_room(folders: Iterable[str], rooms: set[str]) -> list[str]:
    """Folders of tests, as `kind/room/sub-room`, that are named after no room."""
    return [folder for folder in folders if folder.split("/", 1)[1] not in rooms]


def rooms_of_the_house() -> set[str]:
    """`mail`, `mail/sending` and so on, and the neighbours of the layer."""
    layer = ROOT / "shared" / "crm_relay"
    return {*NEIGHBOURS, *(str(path.parent.relative_to(layer)) for path in layer.rglob("*/__init__.py"))}


def test_tests_lie_in_a_folder_that_is_named_after_their_room() -> None:
    folders = [
        str(path.relative_to(ROOT / "tests"))
        for kind in TEST_KINDS
        for path in (ROOT / "tests" / kind).rglob("*")
        if path.is_dir() and "__pycache__" not in path.parts
    ]
    assert len(folders) > 30
    assert without_a_room(folders, rooms_of_the_house()) == []


def test_every_test_lies_in_the_folder_of_a_room() -> None:
    flat = [path.name for kind in TEST_KINDS for path in (ROOT / "tests" / kind).glob("test_*.py")]
    assert flat == []


def test_a_folder_of_tests_without_a_room_would_be_noticed() -> None:
    assert without_a_room(["unit/mail", "unit/delivery", "faults/mail/sending"], {"mail", "mail/sending"}) == [
        "unit/delivery"
    ]


def _source(path: str, text: str) -> SourceFile:
    return SourceFile(path, text, ast.parse(text))
