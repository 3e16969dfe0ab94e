"""The template as CloudFormation sees it for given parameters: conditions decided, absent resources left out."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from local.template.template import SamTemplate

_NO_VALUE = {"Ref": "AWS::NoValue"}


def resolve_document(template: SamTemplate) -> dict[str, Any]:
    """The document without conditions; every other intrinsic function stays as it is."""
    document = {name: part for name, part in template.document.items() if name != "Conditions"}
    parts = {
        name: {
            key: _decide(template, {k: v for k, v in entry.items() if k != "Condition"})
            for key, entry in document.get(name, {}).items()
            if _exists(template, entry)
        }
        for name in ("Resources", "Outputs")
    }
    return document | parts | {"Globals": _decide(template, document.get("Globals", {}))}


def dangling_references(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(resource or output, name) of what refers to neither a resource nor a parameter of the document."""
    known = document["Resources"].keys() | document.get("Parameters", {}).keys()
    used = [
        (place, name)
        for part in ("Resources", "Outputs")
        for place, entry in document.get(part, {}).items()
        for name in _references(entry)
    ]
    used += [("Globals", name) for name in _references(document.get("Globals", {}))]
    return sorted({(place, name) for place, name in used if name not in known and not name.startswith("AWS::")})


def _exists(template: SamTemplate, entry: Mapping[str, Any]) -> bool:
    return "Condition" not in entry or bool(template.evaluate({"Condition": entry["Condition"]}))


def _decide(template: SamTemplate, node: Any) -> Any:
    if isinstance(node, list):
        return [made for each in node if (made := _decide(template, each)) != _NO_VALUE]
    if not isinstance(node, dict):
        return node
    if len(node) == 1 and "Fn::If" in node:
        name, then, otherwise = node["Fn::If"]
        return _decide(template, then if template.evaluate({"Condition": name}) else otherwise)
    made = {key: _decide(template, value) for key, value in node.items()}
    return {key: value for key, value in made.items() if value != _NO_VALUE}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for each in node:
            yield from _references(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _references_of(key, value)


def _references_of(key: str, value: Any) -> Iterator[str]:
    match key:
        case "Ref":
            yield value
        case "Fn::GetAtt":
            yield value[0]
        case "DependsOn":
            yield from [value] if isinstance(value, str) else value
        case "Fn::Sub":
            text, variables = (value, {}) if isinstance(value, str) else value
            names = {name.partition(".")[0] for name in re.findall(r"\$\{([^!}][^}]*)\}", text)}
            yield from names - variables.keys()
            yield from _references(list(variables.values()))
        case _:
            yield from _references(value)
