"""docs/api.md names every route of the admin API, and the documents name none that does not exist."""

import itertools
import json
import re
from collections.abc import Iterator

import pytest

from admin_api.routes import TABLE, describe_routes
from crm_relay.platform.http.http_routes import Call, Nothing
from integration_sync.account_routes import ACCOUNTS
from local.docs.api_pages import BY_OTHERS, api_with_routes, role_of, rows
from local.template.template import SamTemplate
from tests.support.source_tree import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
ROUTES = {(each.method, each.path): role_of(each.role) for each in TABLE} | {each[:2]: each[2] for each in BY_OTHERS}
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_THE_API = re.compile(r"^(?:/api/(?!stats/)|/health|/dashboard)")
"""Mautic's own `/api/stats/` is not; nor is what the template routes to a function (`ANY /api/{proxy+}`)."""


def listed(page: str) -> dict[tuple[str, str], str]:
    """(method, path) -> role, of the page's table."""
    found = re.findall(r"^\| `([A-Z]+) (/\S*)` \| (\w+) \|", page, re.MULTILINE)
    return {(method, path): role for method, path, role in found}


def spelled_out(path: str) -> Iterator[str]:
    """`/api/{a,b}/c` -> both; a parameter such as `{id}` is left as it is."""
    parts = re.split(r"\{([^{}]*,[^{}]*)\}", path.split("?", 1)[0].rstrip("…"))
    options = [part.split(",") if number % 2 else [part] for number, part in enumerate(parts)]
    yield from ("".join(chosen) for chosen in itertools.product(*options))


def mentioned(text: str) -> Iterator[tuple[str, str]]:
    """(method or nothing, path) of every address of the API between backticks, with several methods in a row."""
    for words in re.findall(r"`([^`\n]+)`", text):
        match = re.fullmatch(r"(?:([A-Z]+) )?(/\S*)", words)
        if match and match[1] != "ANY" and OF_THE_API.match(match[2]):
            yield from ((match[1] or "", path) for path in spelled_out(match[2]))


def exists(method: str, path: str) -> bool:
    """A mention without a method, or one that ends in a slash or star, stands for whatever begins so."""
    known = {each for verb, each in ROUTES if method in ("", verb)}
    return path in known or any(each.startswith(path) for each in known if path.endswith("/"))


def test_every_route_is_listed_with_the_role_that_it_asks_for() -> None:
    assert listed(PAGE) == ROUTES
    assert len(rows()) == len(ROUTES)


def test_a_route_that_is_new_or_gone_would_be_noticed() -> None:
    (line,) = re.findall(r"^\| `GET /api/why`.*\n", PAGE, re.MULTILINE)
    assert listed(PAGE.replace(line, "")) != ROUTES
    assert listed(PAGE.replace(line, line + line.replace("why", "whom"))) != ROUTES
    assert listed(PAGE.replace(line, line.replace("operate", "read"))) != ROUTES
    assert api_with_routes(PAGE.replace(line, "")) == PAGE


def test_the_description_has_every_route_but_that_of_mautic() -> None:
    paths = json.loads(describe_routes(None, Call(None, Nothing())).text)["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert described == ROUTES.keys() - {("POST", "/api/sync/mautic")}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_names_no_route_that_does_not_exist(document: object) -> None:
    text = document.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert [each for each in mentioned(text) if not exists(*each)] == []


def test_a_wrong_mention_would_be_noticed() -> None:
    wrong = ["`/api/nothing`", "`DELETE /api/tokens`", "`POST /api/sync/{prospects,people}`", "`GET /health/more`"]
    assert [text for text in wrong if all(exists(*each) for each in mentioned(text))] == []
    right = ["`/api/campaigns`", "`POST /api/sync/{prospects,full}`", "`GET /api/why?who=`", "`/api/campaigns/`"]
    assert [text for text in right if not all(exists(*each) for each in mentioned(text))] == []


def test_the_routes_of_other_functions_are_in_the_template_and_ask_for_that_role() -> None:
    template = SamTemplate.read(ROOT / "template.yaml")
    of_mautic, *of_accounts = BY_OTHERS
    function = template.functions["mautic_sync"]
    assert [each.path for each in function.routes] == [of_mautic[1]]
    routed = [each.path for each in template.functions["integration_sync"].routes if each.path.startswith("/api/")]
    assert sorted(routed) == sorted(each[1] for each in of_accounts)
    assert [each[2] for each in of_accounts] == [role_of(each.role) for each in ACCOUNTS]
    source = (ROOT / "functions" / "mautic_sync" / "order.py").read_text(encoding="utf-8")
    assert f"caller.role < Role.{of_mautic[2].upper()}" in source
