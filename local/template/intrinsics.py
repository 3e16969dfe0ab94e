"""Reads CloudFormation's YAML and evaluates the intrinsic functions that a template of ours may use."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

NO_VALUE = object()
"""What `!Ref AWS::NoValue` becomes: the property is left out."""


class TemplateError(Exception):
    """The template says something that the laptop's reading of it does not know."""


@dataclass(frozen=True)
class Unresolved:
    """A value that exists only once its resource does; `attribute` is None for a plain `!Ref`."""

    logical_id: str
    attribute: str | None


# libyaml's takes a tenth of the time; a PyYAML that was built without it has none.
_BASE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[valid-type,misc]
    pass


def _construct_tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(cast("yaml.MappingNode", node), deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _construct_tag)


def load_template(path: Path) -> dict[str, Any]:
    """The document with short tags in their long form: `!Ref X` is `{"Ref": "X"}`."""
    loader = _Loader(path.read_text(encoding="utf-8"))
    try:
        return cast("dict[str, Any]", loader.get_single_data())
    finally:
        loader.dispose()


Lookup = Callable[[str, str | None], Any]
"""(name, attribute or None) -> value; None where it is not known yet."""


@dataclass(frozen=True)
class Evaluator:
    """Evaluates a part of a template; what `lookup` does not know comes out as `Unresolved`.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
    """

    lookup: Lookup
    conditions: Mapping[str, Any]

    def evaluate(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for item in node if (value := self.evaluate(item)) is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            if name == "Ref" or name.startswith("Fn::") or (name == "Condition" and isinstance(argument, str)):
                return self._call(name, argument)
        values = {key: self.evaluate(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not NO_VALUE}

    def _call(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._known(argument, None)
            case "Fn::GetAtt":
                return self._known(argument[0], argument[1])
            case "Fn::Sub":
                return self._substitute(argument)
            case "Fn::If":
                return self.evaluate(argument[1] if self._holds(argument[0]) else argument[2])
            case "Fn::Join":
                return argument[0].join(str(part) for part in self.evaluate(argument[1]))
            case "Fn::Split":
                return str(self.evaluate(argument[1])).split(argument[0])
            case "Fn::Select":
                return self.evaluate(argument[1])[int(argument[0])]
            case _:
                return self._test(name, argument)

    def _test(self, name: str, argument: Any) -> bool:
        match name:
            case "Condition":
                return self._holds(argument)
            case "Fn::Equals":
                left, right = self.evaluate(argument)
                return str(left) == str(right)
            case "Fn::Not":
                return not self.evaluate(argument[0])
            case "Fn::And":
                return all(self.evaluate(argument))
            case "Fn::Or":
                return any(self.evaluate(argument))
            case _:
                raise TemplateError(f"{name} is not understood by the local stack")

    def _holds(self, condition: str) -> bool:
        if condition not in self.conditions:
            raise TemplateError(f"condition {condition} is not defined")
        return bool(self.evaluate(self.conditions[condition]))

    def _known(self, name: str, attribute: str | None) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        value = self.lookup(name, attribute)
        return Unresolved(name, attribute) if value is None else value

    def _substitute(self, argument: str | list[Any]) -> Any:
        text, variables = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])
        names = re.findall(r"\$\{([^!}][^}]*)\}", text)
        values = {name: self._substitution(name, variables) for name in names}
        missing = next((value for value in values.values() if isinstance(value, Unresolved)), None)
        if missing:
            return missing
        return re.sub(r"\$\{([^!}][^}]*)\}", lambda found: str(values[found[1]]), text).replace("${!", "${")

    def _substitution(self, name: str, variables: Mapping[str, Any]) -> Any:
        if name in variables:
            return self.evaluate(variables[name])
        logical_id, _, attribute = name.partition(".")
        return self._known(logical_id, attribute or None)
