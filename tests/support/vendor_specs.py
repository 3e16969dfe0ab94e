"""The vendors' own specifications, where they are: VENDOR_SPECS, or `shared/specs` beside a folder above the tree."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator

from local.simulators.http_server import Incoming, Outgoing
from tests.support.source_tree import ROOT

Json = dict[str, Any]


def specs_folder() -> Path | None:
    """None where there are none: what is held to them is skipped."""
    named = os.environ.get("VENDOR_SPECS")
    candidates = [Path(named)] if named else [folder / "shared" / "specs" for folder in ROOT.parents]
    return next((folder for folder in candidates if folder.is_dir()), None)


@cache
def specification(name: str) -> Specification | None:
    """By its file; None where it is not there."""
    folder = specs_folder()
    if folder is None or not (folder / name).is_file():
        return None
    return Specification(json.loads((folder / name).read_text(encoding="utf-8")))


class Specification:
    """An OpenAPI document. A name that it does not know is a problem, on either side."""

    def __init__(self, document: Json) -> None:
        self._document = document
        schemas = document["components"]["schemas"]
        parts = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps([*_compositions(schemas)])))
        self._schemas = {"schemas": {name: _strict(schema, is_part=name in parts) for name, schema in schemas.items()}}
        self._paths = [
            (re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), path.count("{"), operations)
            for path, operations in document["paths"].items()
        ]

    def problems(self, incoming: Incoming, outgoing: Outgoing) -> Iterator[str]:
        """Of one exchange. A request that was refused is no example of one; errors are not in the documents."""
        if not 200 <= outgoing.status < 300:
            return
        where = f"{incoming.method} {_without_ids(incoming.path)}"
        operation = self._operation(incoming)
        if operation is None:
            yield f"{where}: no such operation"
            return
        known = {each["name"] for each in operation.get("parameters", ()) if each.get("in") == "query"}
        yield from (f"{where}: query {name}" for name in sorted(incoming.query.keys() - known))
        yield from (f"{where}: request {each}" for each in self._in_request(operation, incoming, outgoing))
        yield from (f"{where}: answer {each}" for each in self._in_answer(operation, outgoing))

    def problems_of_event(self, content: Json) -> Iterator[str]:
        """Of what the vendor posts to us."""
        event = self._document.get("webhooks", {}).get(content.get("type"))
        if event is None:
            yield f"event {content.get('type')}: not in the specification"
            return
        schema = event["post"]["requestBody"]["content"]["application/json"]["schema"]
        yield from (f"event {content['type']}: {each}" for each in self._differences(schema, content))

    def _operation(self, incoming: Incoming) -> Json | None:
        found = [
            (variables, operations[incoming.method.lower()])
            for path, variables, operations in self._paths
            if path.fullmatch(incoming.path) and incoming.method.lower() in operations
        ]
        return min(found, key=lambda each: each[0])[1] if found else None

    def _in_request(self, operation: Json, incoming: Incoming, outgoing: Outgoing) -> Iterator[str]:
        """A request of which a part was refused is no example either."""
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content and not json.loads(outgoing.body).get("errors"):
            yield from self._differences(content["application/json"]["schema"], json.loads(incoming.body))
        elif "application/x-www-form-urlencoded" in content:
            form = dict(parse_qsl(incoming.body.decode(), keep_blank_values=True))
            yield from self._differences(content["application/x-www-form-urlencoded"]["schema"], form)

    def _in_answer(self, operation: Json, outgoing: Outgoing) -> Iterator[str]:
        answer = operation["responses"].get(str(outgoing.status))
        if answer is None:
            yield f"status {outgoing.status}"
        elif "application/json" in answer.get("content", {}):
            yield from self._differences(answer["content"]["application/json"]["schema"], json.loads(outgoing.body))

    def _differences(self, schema: Json, value: Any) -> Iterator[str]:
        validator = Draft202012Validator({**_strict(schema), "components": self._schemas})
        for error in validator.iter_errors(value):
            place = ".".join(str(each) for each in error.absolute_path if not isinstance(each, int))
            # The message may quote a value; which of the schema's words was broken says enough.
            names = re.findall(r"'(\w+)' (?:was|were) unexpected", error.message)
            names += re.findall(r"^'(\w+)' is a required", error.message)
            yield " ".join(each for each in (place, str(error.validator), *names) if each)


def _without_ids(path: str) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/)(AC|SM)[0-9a-f]{32}", "{id}", path)


def _compositions(schema: Any) -> Iterator[Any]:
    """What is put together from several: none of the parts knows the names of the others."""
    if isinstance(schema, Mapping):
        for name, each in schema.items():
            yield from [each] if name == "allOf" else _compositions(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _compositions(each)


def _strict(schema: Any, *, is_part: bool = False) -> Any:
    """With `nullable` in JSON Schema's word, and closed to other names unless it is a part of a composition."""
    if isinstance(schema, list):
        return [_strict(each, is_part=is_part) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    composed = {"allOf", "oneOf", "anyOf"}
    strict = {name: _strict(each, is_part=is_part or name in composed) for name, each in schema.items()}
    if isinstance(strict.get("properties"), dict) and strict.get("type") == "object" and not is_part:
        strict.setdefault("additionalProperties", False)
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        strict["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list):
            strict["enum"] = [*schema["enum"], None]
    return strict
