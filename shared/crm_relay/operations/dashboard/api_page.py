"""The description of the API as a page to read: static HTML of the OpenAPI document, without a script."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from itertools import groupby
from typing import Any

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>API of CRM Relay</title>
<link rel="icon" href="/dashboard/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/dashboard/style.css">
</head>
<body class="api">
<header class="top"><p class="brand"><img src="/dashboard/icon.svg" alt="" width="26" height="26"> CRM Relay</p>
<p><a href="/dashboard">The page</a></p></header>
<main id="main">
"""
_FOOT = "</main>\n</body>\n</html>\n"
_METHODS = ("get", "post", "patch", "put", "delete")

Document = Mapping[str, Any]


def page_of(document: Document) -> str:
    """Everything in it is escaped, wherever it came from."""
    info, paths = document["info"], sorted(document["paths"].items())
    groups = [(name, list(rows)) for name, rows in groupby(paths, key=lambda each: _group(each[0]))]
    links = "".join(f'<li><a href="#{escape(name)}">{escape(name)}</a></li>' for name, _ in groups)
    intro = f'<h1>API</h1><p class="note">{escape(info["description"])} '
    intro += 'The same for programs: <a href="/api/openapi.json">openapi.json</a>.</p>'
    parts = "".join(_section(name, rows, document) for name, rows in groups)
    return f'{_HEAD}{intro}<ul class="index" aria-label="Parts">{links}</ul>{parts}{_FOOT}'


def _group(path: str) -> str:
    """The first word of a path behind /api."""
    return next(iter(re.findall(r"\w[\w-]*", path.removeprefix("/api/"))), "page")


def _section(name: str, rows: list[tuple[str, Document]], document: Document) -> str:
    operations = "".join(
        _operation(method, path, methods[method], document)
        for path, methods in rows
        for method in _METHODS
        if method in methods
    )
    return f'<section id="{escape(name)}"><header><h2>{escape(name)}</h2></header>{operations}</section>'


def _operation(method: str, path: str, operation: Document, document: Document) -> str:
    fields = "".join(_field(*each) for each in _fields(operation, document))
    taken = f'<dl class="facts">{fields}</dl>' if fields else '<p class="note">It takes nothing.</p>'
    answers = " · ".join(f"{escape(status)} {escape(said['description'])}" for status, said in _answers(operation))
    return (
        f'<details class="operation"><summary><code>{method.upper()} {escape(path)}</code> '
        f'{escape(operation["summary"])} <span class="note">{escape(operation.get("description", ""))}</span></summary>'
        f'{taken}<p class="note">{answers}</p></details>'
    )


def _answers(operation: Document) -> list[tuple[str, Document]]:
    return sorted(operation["responses"].items())


def _fields(operation: Document, document: Document) -> Iterator[tuple[str, Document, str]]:
    for each in operation.get("parameters", ()):
        yield each["name"], each["schema"], f"in the {each['in']}" + ("" if each["required"] else ", may be left out")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    body = _meant(body, document)
    for name, schema in body.get("properties", {}).items():
        left_out = "" if name in body.get("required", ()) else ", may be left out"
        yield name, schema, f"in the body{left_out}"


def _meant(schema: Document, document: Document) -> Document:
    reference = schema.get("$ref")
    found: Document = document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema
    return found


def _field(name: str, schema: Document, where: str) -> str:
    said = [_kind(schema), where, schema.get("description", "")]
    return f"<div><dt>{escape(name)}</dt><dd>{escape('; '.join(each for each in said if each))}</dd></div>"


def _kind(schema: Document) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(each) for each in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "anything")
