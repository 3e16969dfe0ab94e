"""How a delivery is received, applied and redacted is said once, in the file of its source."""

import ast
import re
from collections.abc import Iterator

from crm_relay.sources.all_sources import REDACTORS, all_sources
from tests.support.source_tree import ROOT, SourceFile, query_files, sources

STORED_WORDS = {"mautic", "bison", "resend", "unsubscribe", "mailchimp"}
"""Rows of `webhook_inbox` and queued messages have them: none may change or go."""

ROOM = "shared/crm_relay/sources/"
FILES = {each.path.removeprefix(ROOM).removesuffix(".py") for each in sources(ROOM)} - {"__init__", "all_sources"}
PRODUCT = sources("shared", "functions", "cli")
WEBHOOK_FUNCTIONS = (
    "mautic_webhook",
    "bison_webhook",
    "resend_webhook",
    "mailchimp_webhook",
    "unsubscribe",
    "webhook_replay",
)

APPLIES = {
    "crm_relay.engagement.deliveries.decide",
    "crm_relay.outreach.deliveries.decide",
    "crm_relay.outreach.deliveries.reads",
    "crm_relay.mail.feedback.apply_event",
    "crm_relay.providers.mautic.webhook",
    "crm_relay.providers.bison.webhook",
    "crm_relay.providers.resend.webhook",
    "crm_relay.connections.audiences.deliveries",
    "crm_relay.providers.bison.redaction",
}
"""What reads, applies or redacts deliveries of one source; for the room of the sources, and its own room."""


def test_every_stored_word_has_exactly_one_source_and_one_file() -> None:
    assert all_sources("").keys() == REDACTORS.keys() == FILES == STORED_WORDS
    names = [found for each in sources(ROOM) for found in re.findall(r'^NAME = "(\w+)"$', each.text, re.MULTILINE)]
    assert sorted(names) == sorted(STORED_WORDS)


def names_of_deliveries(file: SourceFile) -> Iterator[str]:
    """What is given as the source of every delivery that the file makes."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Delivered"):
            given = [each.value for each in node.keywords if each.arg == "source"] + node.args[:1]
            yield ast.unparse(given[0])


def test_no_delivery_is_stored_under_a_word_that_is_no_sources() -> None:
    """A source gives its own name, and what reads a stored delivery the stored one."""
    may = {"NAME", "source.name", "message['source']", "row['source']"}
    found = {name: file.path for file in PRODUCT for name in names_of_deliveries(file)}
    assert found.keys() == may, found
    assert found["NAME"].startswith(ROOM)


def test_only_one_query_writes_into_the_inbox() -> None:
    inserts = [
        str(path.relative_to(ROOT))
        for path in (*query_files(), *(ROOT / "migrations").glob("*.sql"))
        if re.search(r"insert\s+into\s+webhook_inbox", path.read_text(encoding="utf-8"), re.IGNORECASE)
    ]
    assert inserts == ["shared/crm_relay/webhooks/queries.sql"]


def branches(file: SourceFile) -> Iterator[str]:
    """Where the file does one thing or another by a source's word: in a table, a comparison or a match."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Dict):
            if len(words({*node.keys})) > 1:
                yield f"{file.path}:{node.lineno}"
        elif isinstance(node, ast.Compare):
            if "source" in ast.unparse(node) and words({node.left, *node.comparators}):
                yield f"{file.path}:{node.lineno}"
        elif isinstance(node, ast.match_case) and words(set(ast.walk(node.pattern))):
            yield f"{file.path}:{node.pattern.lineno}"


def words(nodes: set[ast.AST | ast.expr | None]) -> set[str]:
    return STORED_WORDS.intersection(each.value for each in nodes if isinstance(each, ast.Constant))


def test_no_other_module_does_one_thing_or_another_by_the_word_of_a_source() -> None:
    assert [found for file in PRODUCT if not file.path.startswith(ROOM) for found in branches(file)] == []


def test_a_branch_by_the_word_of_a_source_would_be_noticed() -> None:
    planted = (
        'APPLIERS = {"mautic": one, "bison": two}',
        'if delivered.source == "resend": pass',
        'if source != "unsubscribe": pass',
        'match source:\n    case "mautic" | "bison":\n        pass',
    )
    for text in planted:
        assert list(branches(SourceFile("x.py", text, ast.parse(text)))), text


def imported(file: SourceFile) -> set[str]:
    """Modules, also where `from package import module` names one."""
    names = set(file.imports())
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_only_the_sources_read_apply_and_redact_deliveries() -> None:
    rooms = {module.rpartition(".")[0].replace(".", "/") for module in APPLIES}
    own = (ROOM, *(f"shared/{room}/" for room in rooms))
    users = {file.path for file in PRODUCT if imported(file) & APPLIES and not file.path.startswith(own)}
    assert users == set()


def test_the_functions_of_webhooks_use_no_capability_but_to_show_a_page() -> None:
    files = sources(*(f"functions/{name}" for name in WEBHOOK_FUNCTIONS))
    capabilities = re.compile(r"crm_relay\.(engagement|outreach|mail|campaigns|customers|consent|edge_cache)\b")
    used = {(file.path, name) for file in files for name in file.imports() if capabilities.match(name)}
    shown = "crm_relay.mail.feedback.unsubscribe"
    assert used == {(f"functions/unsubscribe/{name}.py", shown) for name in ("page", "wiring")}
    for name in WEBHOOK_FUNCTIONS:
        assert any(
            each.startswith("crm_relay.sources.") for file in sources(f"functions/{name}") for each in file.imports()
        )
