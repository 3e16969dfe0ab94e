"""Every named query is proven against the schema, has a reason, and is used."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.sql import Query, parse_queries
from tests.support.repository.query_trials import problem_with, trials_of
from tests.support.source_tree import query_files, sources

QUERIES = [
    (path, query) for path in query_files() for query in parse_queries(path.read_text(encoding="utf-8")).values()
]
IN_EACH_FILE = pytest.mark.parametrize("path", query_files(), ids=lambda path: f"{path.parent.name}.{path.stem}")


def name(path: Path, query: Query) -> str:
    """A query as a failure lists it."""
    return f"{path.parent.name}.{query.name}"


def test_there_are_queries_to_prove() -> None:
    """The tests below would pass over none."""
    assert len(QUERIES) > len(query_files()) > 20


@pytest.fixture(scope="module")
def migrated(postgres_url: str) -> Iterator[Database]:
    """The migrated template itself, which no trial changes."""
    database = Database(postgres_url.rsplit("/", 1)[0] + "/template_migrated")
    yield database
    database.close()


def problems_of(migrated: Database, query: Query) -> list[str]:
    """Why the server refuses every way to read it, or nothing where it takes one."""
    problems = []
    for trial in trials_of(query):
        problem = problem_with(migrated, trial)
        if problem is None:
            return []
        problems.append(problem)
    return problems[:2]


@IN_EACH_FILE
def test_the_server_understands_every_named_query(migrated: Database, path: Path) -> None:
    problems = {query.name: problems_of(migrated, query) for where, query in QUERIES if where == path}
    assert {each: problem for each, problem in problems.items() if problem} == {}


def test_a_query_that_names_a_missing_column_would_be_noticed(migrated: Database) -> None:
    wrong = Query.parse("wrong", "misspells a column", "update customer_profiles set frist_name = :name where id = :id")
    assert None not in [problem_with(migrated, trial) for trial in trials_of(wrong)]


def test_a_column_of_rows_that_the_schema_does_not_take_would_be_noticed(migrated: Database) -> None:
    right = "update customer_profiles set first_name = it.name from :rows as it (id uuid, name text) where it.id = "
    for end, fits in (("customer_profiles.id", True), ("customer_profiles.first_name", False)):
        query = Query.parse("one", "updates rows", right + end)
        assert (None in [problem_with(migrated, trial) for trial in trials_of(query)]) == fits


@IN_EACH_FILE
def test_every_named_query_is_used_by_its_room(path: Path) -> None:
    room = "".join(source.read_text(encoding="utf-8") for source in path.parent.glob("*.py"))
    # Of a query with a variant for mails that are named by our own id alone, the name of both is said once.
    unused = [
        query.name
        for where, query in QUERIES
        if where == path and not any(f'"{each}"' in room for each in (query.name, query.name.removesuffix("_of_tags")))
    ]
    assert unused == []


def test_every_named_query_says_why_it_exists_in_a_sentence() -> None:
    silent = [
        name(path, query) for path, query in QUERIES if len(query.why.split()) <= 3 or not query.why.endswith(".")
    ]
    assert silent == []


@IN_EACH_FILE
def test_nothing_stands_in_a_query_file_that_is_not_a_named_query(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(parse_queries(text)) == len(re.findall(r"^-- name:", text, re.MULTILINE))
    assert text.startswith("-- name: ")


def test_every_named_query_is_one_statement() -> None:
    several = [
        name(path, query)
        for path, query in QUERIES
        if ";" in re.sub(r"\$\$.*?\$\$|'(?:[^']|'')*'|--[^\n]*", "", query.sql, flags=re.DOTALL)
    ]
    assert several == []


def test_sql_stands_in_sql_files() -> None:
    statement = re.compile(r"""(?i)["'](select|insert into|update|delete from|with)\s+\w+.*\b(from|set|values|as)\b""")
    for source in sources("shared", "functions"):
        assert not statement.search(source.text), source.path


# Whose rows an earlier statement of the same transaction has locked by id, and which one.
_LOCKED_BEFORE = {
    "freeze_batch": "claim_batch",
    "record_mails": "lock_mails",
    "record_accepted": "lock_accepted",
    "settle_mails": "lock_unknown_mails",
}
_CHANGE_OF_MESSAGES = re.compile(
    r"(?:update|delete from)\s+(?:email_sends|sms_sends)\b.*?(?=^\)|\Z)", re.DOTALL | re.MULTILINE
)
_OF_ONE = re.compile(r"\bwhere id = :\w+")
_LOCKS_BY_ID = re.compile(r"order by (?:\w+\.)?id\s+(?:limit :\w+\s+)?for (?:no key )?update")


def locks_messages_by_id(query: Query) -> bool:
    """Whether it, or the query that runs before it, locks the messages that it changes in the order of their ids."""
    if all(_OF_ONE.search(change) for change in _CHANGE_OF_MESSAGES.findall(query.sql)):
        return True
    locking = next(each for _, each in QUERIES if each.name == _LOCKED_BEFORE.get(query.name, query.name))
    return bool(_LOCKS_BY_ID.search(locking.sql)) or " skip locked" in locking.sql


def test_messages_that_are_changed_together_are_locked_by_id_first() -> None:
    """Two that lock the same messages in different orders wait for each other until the database ends one of them.

    Who leaves out what is locked waits for nobody.
    """
    assert [name(path, query) for path, query in QUERIES if not locks_messages_by_id(query)] == []
