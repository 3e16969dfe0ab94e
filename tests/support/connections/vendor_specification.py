"""Requests held against a vendor's OpenAPI file, where the directory of such files is there.

The files are not part of the tree. They are looked for in `VENDOR_SPECIFICATIONS`, else in `shared/specs` of a
directory above the checkout.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
import yaml
from jsonschema import Draft202012Validator

from tests.support.source_tree import ROOT


def specification_file(name: str) -> Path | None:
    """None where the file is not there."""
    named = os.environ.get("VENDOR_SPECIFICATIONS")
    places = [Path(named)] if named else [each / "shared" / "specs" for each in ROOT.parents]
    return next((place / name for place in places if (place / name).is_file()), None)


@dataclass
class VendorSpecification:
    """`prefix`: the part of a request's path that the file has in `servers`."""

    content: Mapping[str, Any]
    prefix: str

    @classmethod
    def read(cls, path: Path, prefix: str) -> VendorSpecification:
        return cls(yaml.safe_load(path.read_text(encoding="utf-8")), prefix)

    def problems(self, method: str, url: str, body: bytes | None) -> list[str]:
        """What the file holds against a request; an operation that it does not have is one."""
        parts = urlsplit(url)
        path = parts.path.removeprefix(self.prefix)
        found = self._operation(method, path)
        if found is None:
            return [f"{method} {_shape(path)}: not in the file"]
        template, operation = found
        declared = [self._resolved(each) for each in operation.get("parameters", [])]
        return [
            *self._query_problems(declared, parse_qsl(parts.query, keep_blank_values=True)),
            *self._path_problems(declared, template, path),
            *self._body_problems(operation, body),
        ]

    def _operation(self, method: str, path: str) -> tuple[str, Mapping[str, Any]] | None:
        for template, operations in self.content["paths"].items():
            if re.fullmatch(_pattern(template), path) and method.lower() in operations:
                # A path of three parts has a record's id as its last one, which a word of the API does not look like.
                declared = [self._resolved(each) for each in operations[method.lower()].get("parameters", [])]
                if not self._path_problems(declared, template, path):
                    return template, operations[method.lower()]
        return None

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in node:
            return node
        found: Any = self.content
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            found = found[part]
        return self._resolved(found)

    def _query_problems(self, declared: list[Mapping[str, Any]], pairs: list[tuple[str, str]]) -> list[str]:
        schemas = {each["name"]: each.get("schema", {}) for each in declared if each["in"] == "query"}
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        problems = [f"query {name}: not in the file" for name in values if name not in schemas]
        for name in values.keys() & schemas.keys():
            wanted = schemas[name].get("type")
            given: Any = values[name] if wanted == "array" else _typed(values[name][0], wanted)
            problems += [f"query {name}: {each.message}" for each in self._errors(schemas[name], given)]
        return problems

    def _path_problems(self, declared: list[Mapping[str, Any]], template: str, path: str) -> list[str]:
        schemas = {each["name"]: each.get("schema", {}) for each in declared if each["in"] == "path"}
        match = re.fullmatch(_pattern(template), path)
        values = match.groupdict() if match else {}
        return [f"path {name}: {each.message}" for name in values for each in self._errors(schemas[name], values[name])]

    def _body_problems(self, operation: Mapping[str, Any], body: bytes | None) -> list[str]:
        if "requestBody" not in operation:
            return ["body: not in the file"] if body else []
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        given = json.loads(body or b"null")
        unknown = set(given) - set(schema.get("properties", {})) if isinstance(given, dict) else set()
        errors = [f"body {'.'.join(map(str, each.path))}: {each.message}" for each in self._errors(schema, given)]
        return [*errors, *(f"body {name}: not in the file" for name in sorted(unknown))]

    def _errors(self, schema: Mapping[str, Any], value: Any) -> list[Any]:
        whole = {**schema, "components": self.content.get("components", {})}
        return list(Draft202012Validator(whole).iter_errors(value))


@dataclass
class RecordedRequest:
    method: str
    url: str
    body: bytes | None

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> list[tuple[str, str]]:
        return sorted(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


@dataclass
class RecordingSession(requests.Session):
    """Keeps what it sends."""

    recorded: list[RecordedRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        requests.Session.__init__(self)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        self.recorded.append(RecordedRequest(str(request.method), str(request.url), body))
        return super().send(request, **kwargs)


def _pattern(template: str) -> str:
    return re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)


def _shape(path: str) -> str:
    """A path with its ids as their kinds."""
    return re.sub(r"\b(app|tbl|rec)[A-Za-z0-9]{14}\b", r"{\1}", path)


def _typed(text: str, wanted: str | None) -> Any:
    if wanted == "integer" and text.isdecimal():
        return int(text)
    return {"true": True, "false": False}.get(text, text) if wanted == "boolean" else text
