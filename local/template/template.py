"""Reads from template.yaml what the laptop stack has to stand in for: functions, routes, schedules, queues."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from local.template.intrinsics import Evaluator, Unresolved, load_template

REGION = "us-east-1"
ACCOUNT = "123456789012"
PSEUDO_PARAMETERS = {
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "crm-relay-local",
}

EVERY_ROOM: Mapping[str, str | None] = {
    "MauticUrl": None,
    "BisonInstanceUrl": None,
    "Campaigns": "enabled",
    "Connections": "enabled",
    "EdgeReplication": "enabled",
}
"""What installs every room. An address without a value is `Unresolved`, which is not empty."""

References = Mapping[tuple[str, str | None], str]
"""(logical id, attribute or None for `!Ref`) -> value of a resource that exists; may also override a parameter."""


@dataclass(frozen=True)
class TemplateRoute:
    """`method` may be ANY; `path` may hold `{name}` and end in `{name+}`."""

    method: str
    path: str


@dataclass(frozen=True)
class Schedule:
    """One EventBridge schedule; `timezone` is an IANA name, `input` the event that the function gets."""

    name: str
    expression: str
    timezone: str
    input: dict[str, Any]
    enabled: bool


@dataclass(frozen=True)
class QueueSource:
    """A queue whose messages Lambda brings to the function."""

    queue_logical_id: str
    batch_size: int
    partial_failures: bool
    maximum_concurrency: int


@dataclass(frozen=True)
class StreamSource:
    """A table whose changes Lambda brings to the function; `patterns` are of its filter, any of which lets one through.

    `attempts` counts the first one too; what is given up is told to the queue `dead_letters`.
    """

    table_logical_id: str
    batch_size: int
    attempts: int
    bisects: bool
    partial_failures: bool
    patterns: list[dict[str, Any]]
    dead_letters: str | None


@dataclass(frozen=True)
class FunctionDefinition:
    """`timeout` in seconds, `memory` in MB; `layers` are logical ids in mounting order."""

    name: str
    logical_id: str
    handler: str
    timeout: int
    memory: int
    environment: dict[str, str | Unresolved]
    routes: list[TemplateRoute] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)
    queues: list[QueueSource] = field(default_factory=list)
    streams: list[StreamSource] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SamTemplate:
    """`functions` are keyed by their package's name (mautic_sync), not by logical id."""

    document: dict[str, Any]
    parameters: dict[str, Any]
    folder: Path = Path()

    @classmethod
    def read(cls, path: Path, parameters: Mapping[str, Any] | None = None) -> "SamTemplate":
        """Every room is installed unless `parameters` leave it out; the others fall back on the template's defaults.

        A parameter without a value stays `Unresolved`.
        """
        document = load_template(path)
        values = {name: entry.get("Default") for name, entry in document.get("Parameters", {}).items()}
        return cls(document, {**values, **EVERY_ROOM, **(parameters or {})}, path.parent)

    @cached_property
    def functions(self) -> dict[str, FunctionDefinition]:
        definitions = map(self._function, self.resources("AWS::Serverless::Function"))
        return {definition.name: definition for definition in definitions}

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id -> properties, not yet evaluated; what a condition switches off is left out."""
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in self.document["Resources"].items()
            if resource["Type"] == kind and self._exists(resource)
        }

    def evaluate(self, node: Any, references: References | None = None) -> Any:
        """Any part of the template in plain values; `Unresolved` stands where a resource is not in `references`."""
        return self._evaluator(references or {}).evaluate(node)

    def environment(self, function: str, references: References) -> dict[str, str]:
        """The environment a function gets, as far as `references` can tell; raises KeyError for an unknown function."""
        variables = self.evaluate(self._variables(self.functions[function].logical_id), references)
        return {name: str(value) for name, value in variables.items() if not isinstance(value, Unresolved)}

    def _evaluator(self, references: References) -> Evaluator:
        known = PSEUDO_PARAMETERS | self.parameters

        def lookup(name: str, attribute: str | None) -> Any:
            found = references.get((name, attribute))
            return known.get(name) if found is None and attribute is None else found

        return Evaluator(lookup, self.document.get("Conditions", {}))

    def _exists(self, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or bool(self.evaluate({"Condition": resource["Condition"]}))

    @property
    def _globals(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document.get("Globals", {}).get("Function", {})
        return found

    def _properties(self, logical_id: str) -> dict[str, Any]:
        own: dict[str, Any] = self.document["Resources"][logical_id]["Properties"]
        return {**self._globals, **own}

    def _variables(self, logical_id: str) -> dict[str, Any]:
        own = self.document["Resources"][logical_id]["Properties"]
        sources = (self._globals, own)
        return {name: value for at in sources for name, value in _variables_of(at).items()}

    def _function(self, logical_id: str) -> FunctionDefinition:
        properties = self._properties(logical_id)
        variables = self.evaluate(self._variables(logical_id))
        own_layers = self.document["Resources"][logical_id]["Properties"].get("Layers", [])
        events = self.evaluate(properties.get("Events", {}))
        return FunctionDefinition(
            name=properties["Handler"].split(".")[0],
            logical_id=logical_id,
            handler=properties["Handler"],
            timeout=int(properties.get("Timeout", 3)),
            memory=int(properties.get("MemorySize", 128)),
            environment={name: v if isinstance(v, Unresolved) else str(v) for name, v in variables.items()},
            routes=[_route(event) for event in events.values() if event["Type"] == "HttpApi"],
            schedules=[_schedule(name, event) for name, event in events.items() if event["Type"] == "ScheduleV2"],
            queues=[_queue(source) for source in self._sources(logical_id, "Arn")],
            streams=[_stream(source) for source in self._sources(logical_id, "StreamArn")],
            layers=[layer["Ref"] for layer in [*self._globals.get("Layers", []), *own_layers]],
        )

    def _sources(self, function: str, kind: str) -> list[dict[str, Any]]:
        """`kind` is the attribute by which a mapping names its source: the Arn of a queue, the StreamArn of a table."""
        sources = map(self.evaluate, self.resources("AWS::Lambda::EventSourceMapping").values())
        own = [source for source in sources if source["FunctionName"] == Unresolved(function, None)]
        return [source for source in own if source["EventSourceArn"].attribute == kind]


def _variables_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = properties.get("Environment", {}).get("Variables", {})
    return found


def _route(event: Mapping[str, Any]) -> TemplateRoute:
    return TemplateRoute(event["Properties"]["Method"].upper(), event["Properties"]["Path"])


def _schedule(name: str, event: Mapping[str, Any]) -> Schedule:
    properties = event["Properties"]
    return Schedule(
        name=name,
        expression=properties["ScheduleExpression"],
        timezone=properties.get("ScheduleExpressionTimezone", "UTC"),
        input=json.loads(properties.get("Input", "{}")),
        enabled=properties.get("State", "ENABLED") == "ENABLED",
    )


def _queue(source: Mapping[str, Any]) -> QueueSource:
    return QueueSource(
        queue_logical_id=source["EventSourceArn"].logical_id,
        batch_size=int(source.get("BatchSize", 10)),
        partial_failures="ReportBatchItemFailures" in source.get("FunctionResponseTypes", []),
        maximum_concurrency=int(source.get("ScalingConfig", {}).get("MaximumConcurrency", 2)),
    )


def _stream(source: Mapping[str, Any]) -> StreamSource:
    destination = source.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    return StreamSource(
        table_logical_id=source["EventSourceArn"].logical_id,
        batch_size=int(source.get("BatchSize", 100)),
        attempts=1 + int(source["MaximumRetryAttempts"]),
        bisects=bool(source.get("BisectBatchOnFunctionError")),
        partial_failures="ReportBatchItemFailures" in source.get("FunctionResponseTypes", []),
        patterns=[json.loads(one["Pattern"]) for one in source.get("FilterCriteria", {}).get("Filters", [])],
        dead_letters=destination.logical_id if destination else None,
    )
