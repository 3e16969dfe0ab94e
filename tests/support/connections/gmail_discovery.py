"""Exchanges with Gmail held against Google's discovery document, as Google's own client library carries it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from googleapiclient.discovery_cache import get_static_doc

Json = Mapping[str, Any]
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_NUMBERS = {"uint64", "int64"}


@cache
def gmail_document() -> DiscoveryDocument:
    """Nothing is fetched."""
    return DiscoveryDocument(json.loads(get_static_doc("gmail", "v1")))


class DiscoveryDocument:
    """A name that it does not know is a problem, on either side."""

    def __init__(self, content: Json) -> None:
        self._schemas: Json = content["schemas"]
        self._common: Json = content["parameters"]
        self._methods = list(_methods(content["resources"]))

    def problems_of_request(self, method: str, path: str, query: str, body: bytes | None) -> list[str]:
        found = self._method(method, path)
        if found is None:
            return [f"{method} {path}: not in the document"]
        declared = {**self._common, **found.get("parameters", {})}
        values: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            values.setdefault(name, []).append(value)
        problems = [each for name, given in values.items() for each in _query_problems(declared, name, given)]
        if body and "request" not in found:
            return [*problems, "body: not in the document"]
        if "request" in found:
            problems += self._differences(found["request"], json.loads(body or b"{}"), "body")
        return problems

    def problems_of_answer(self, method: str, path: str, body: bytes) -> list[str]:
        found = self._method(method, path)
        if found is None or "response" not in found:
            return ["answer: not in the document"] if body else []
        return list(self._differences(found["response"], json.loads(body), "answer"))

    def _method(self, method: str, path: str) -> Json | None:
        fitting = [each for each in self._methods if each["httpMethod"] == method and _fits(each["flatPath"], path)]
        return min(fitting, key=lambda each: each["flatPath"].count("{")) if fitting else None

    def _differences(self, schema: Json, value: Any, where: str) -> Iterator[str]:
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"]]
        kind = schema.get("type", "any")
        if kind != "any" and (not isinstance(value, _TYPES[kind]) or (kind != "boolean" and isinstance(value, bool))):
            yield f"{where}: not of type {kind}"
        elif schema.get("format") in _NUMBERS and not str(value).isdecimal():
            yield f"{where}: no {schema['format']}"
        elif kind == "object":
            known = schema.get("properties", {})
            for name, each in value.items():
                if name in known:
                    yield from self._differences(known[name], each, f"{where}.{name}")
                else:
                    yield f"{where}.{name}: not in the document"
        elif kind == "array":
            for each in value:
                yield from self._differences(schema["items"], each, where)


def _methods(resources: Json) -> Iterator[Json]:
    for resource in resources.values():
        yield from resource.get("methods", {}).values()
        yield from _methods(resource.get("resources", {}))


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path.strip("/")) is not None


def _query_problems(declared: Json, name: str, given: Sequence[str]) -> Iterator[str]:
    parameter = declared.get(name)
    if parameter is None or parameter.get("location") != "query":
        yield f"query {name}: not in the document"
        return
    if len(given) > 1 and not parameter.get("repeated"):
        yield f"query {name}: several values"
    for value in given:
        if "enum" in parameter and value not in parameter["enum"]:
            yield f"query {name}: not one of its words"
        if parameter["type"] == "integer" and not value.isdecimal():
            yield f"query {name}: no number"
        if parameter["type"] == "boolean" and value not in {"true", "false"}:
            yield f"query {name}: no boolean"
