"""Rules of the house that a reader of the source can check: who may do what, and how long it may get."""

import ast
import re
import statistics
from collections.abc import Iterator

import pytest

from tests.support.source_tree import ROOT, SourceFile, sources

LAYER_AND_FUNCTIONS = sources("shared", "functions")
PRODUCT = sources("shared", "functions", "cli", "local")
PLATFORM = "shared/crm_relay/platform/"
CAPABILITIES = tuple(
    source
    for source in sources("shared/crm_relay")
    if not source.path.startswith((PLATFORM, "shared/crm_relay/providers/"))
)

# "file:function" of calls that stand in a loop over rows, each with its reason.
QUERIES_IN_A_LOOP: dict[str, str] = {
    "shared/crm_relay/campaigns/unsettled/settle_again.py:_settle_again": "e-mails, then text messages",
    "shared/crm_relay/edge_cache/replication/push_edits.py:_write": "one of four tables each",
    "shared/crm_relay/edge_cache/replication/replicate.py:lift_behind": "one of four tables, after a restore",
    "shared/crm_relay/workflows/engine/take_runs.py:_effects": "one of seven tables each",
    "shared/crm_relay/operations/last_look.py:_in_table": "256 MB of a table a statement, so that none takes too long",
}

LONGEST_FUNCTION = 50
LONGEST_FILE = 300
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")


def offenders(rule: str, found: Iterator[str] | list[str]) -> None:
    listed = sorted(set(found))
    assert not listed, f"{rule}: {', '.join(listed)}"


def imports_any(source: SourceFile, *packages: str) -> bool:
    return any(name.split(".")[0] in packages for name in source.imports())


def calls(node: ast.AST) -> Iterator[ast.Call]:
    return (each for each in ast.walk(node) if isinstance(each, ast.Call))


def test_only_the_connection_knows_the_driver() -> None:
    found = [each.path for each in LAYER_AND_FUNCTIONS if imports_any(each, "pg8000")]
    assert found == [f"{PLATFORM}postgres/column_readers.py", f"{PLATFORM}postgres/server_connection.py"]


def test_only_platform_knows_aws() -> None:
    offenders(
        "imports AWS's client",
        [
            each.path
            for each in LAYER_AND_FUNCTIONS
            if imports_any(each, "boto3", "botocore") and not each.path.startswith(PLATFORM)
        ],
    )


CONCRETE_PROVIDER = re.compile(r"crm_relay\.providers\.(bison|mautic|resend|slack|twilio)\b")


def concrete_providers(source: SourceFile) -> list[str]:
    return [name for name in source.imports() if CONCRETE_PROVIDER.match(name)]


def test_mail_and_campaigns_know_contracts_and_no_provider() -> None:
    rooms = ("shared/crm_relay/mail/", "shared/crm_relay/campaigns/")
    offenders(
        "imports a provider instead of its contract in providers/email.py or text.py",
        [each.path for each in CAPABILITIES if each.path.startswith(rooms) and concrete_providers(each)],
    )


def test_an_import_of_a_provider_would_be_noticed() -> None:
    text = "def f():\n    from crm_relay.providers.resend.client import Resend"
    assert concrete_providers(SourceFile("x.py", text, ast.parse(text)))


def test_only_settings_read_the_environment() -> None:
    may = re.compile(rf"{PLATFORM}settings\.py|functions/\w+/settings\.py")
    reads = re.compile(r"\bos\.(environ|getenv)\b|from os import .*\b(environ|getenv)\b")
    offenders(
        "reads the environment",
        [each.path for each in LAYER_AND_FUNCTIONS if reads.search(each.text) and not may.fullmatch(each.path)],
    )


def test_the_driver_is_never_given_parameters() -> None:
    offenders(
        "hands values to the driver, which a pooler would mix up",
        [
            f"{source.path}:{call.lineno}"
            for source in PRODUCT
            if imports_any(source, "pg8000")
            for call in calls(source.tree)
            if isinstance(call.func, ast.Attribute)
            and call.func.attr in {"run", "prepare", "execute_unnamed"}
            and ast.unparse(call.func.value) != "subprocess"
            and (call.func.attr != "run" or call.keywords or len(call.args) != 1)
        ],
    )


def queries_in_loops(source: SourceFile) -> Iterator[str]:
    """Calls of a query or of a store inside a `for` or a comprehension; a `while` goes page by page."""
    stores = {
        alias.asname or alias.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith(".store")
        for alias in node.names
        if alias.name.islower()
    }
    for function in source.functions():
        for loop in ast.walk(function):
            if not isinstance(loop, ast.For | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                continue
            for repeated in _repeated_parts(loop):
                for call in calls(repeated):
                    name = ast.unparse(call.func)
                    if name.endswith(".run") or name in stores or name.split(".")[0] == "store":
                        yield f"{source.path}:{function.name}"


def _repeated_parts(loop: ast.AST) -> list[ast.AST]:
    """What runs once an item; the expression that is looped over runs once."""
    if isinstance(loop, ast.For):
        return list(loop.body)
    return [child for child in ast.iter_child_nodes(loop) if not isinstance(child, ast.comprehension)]


def test_no_query_stands_in_a_loop_over_rows() -> None:
    found = {each for source in CAPABILITIES for each in queries_in_loops(source)}
    offenders("queries once a row", sorted(found - QUERIES_IN_A_LOOP.keys()))
    assert QUERIES_IN_A_LOOP.keys() <= found, "an exception that is no longer needed"


@pytest.mark.parametrize(
    "text",
    [
        "def f(db):\n    for row in rows:\n        db.run(q)",
        "def f(db):\n    return [db.run(q) for row in rows]",
        "from room.store import save\ndef f(db):\n    for row in rows:\n        if row:\n            save(db, row)",
    ],
)
def test_a_query_in_a_loop_would_be_noticed(text: str) -> None:
    assert list(queries_in_loops(SourceFile("x.py", text, ast.parse(text))))


def test_a_loop_over_what_one_query_returned_is_fine() -> None:
    text = "def f(db):\n    for row in db.run(q):\n        use(row)\n    return [row for row in db.run(q)]"
    assert not list(queries_in_loops(SourceFile("x.py", text, ast.parse(text))))


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def length_of_body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Without the docstring."""
    first = function.body[1 if ast.get_docstring(function) and len(function.body) > 1 else 0]
    return (function.end_lineno or 0) - first.lineno + 1


def test_no_function_is_longer_than_a_screen() -> None:
    offenders(
        f"longer than {LONGEST_FUNCTION} lines",
        [
            f"{source.path}:{function.name}"
            for source in PRODUCT
            for function in source.functions()
            if length_of(function) > LONGEST_FUNCTION
        ],
    )


def test_most_functions_are_short() -> None:
    lengths = [length_of_body(function) for source in LAYER_AND_FUNCTIONS for function in source.functions()]
    assert statistics.median(lengths) <= 8
    assert statistics.quantiles(lengths, n=10)[-1] <= 30


def test_no_file_is_longer_than_what_one_reads_at_once() -> None:
    offenders(
        f"longer than {LONGEST_FILE} lines",
        [each.path for each in PRODUCT if each.text.count("\n") > LONGEST_FILE],
    )


def test_nothing_is_left_unfinished() -> None:
    texts = {each.path: each.text for each in PRODUCT}
    texts |= {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "migrations").glob("*.sql")}
    texts |= {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "shared").rglob("*.sql")}
    offenders("unfinished", [path for path, text in texts.items() if UNFINISHED.search(text)])


def test_every_module_says_what_it_is_for() -> None:
    offenders(
        "no docstring",
        [each.path for each in PRODUCT if each.text.strip() and not ast.get_docstring(each.tree)],
    )
