"""The variables of every function as a container has to see them, and a template that names them.

`sam local invoke` passes a variable on only where the template of the function names it, and replaces intrinsic
functions that it cannot evaluate by nothing: so each function gets a template entry with exactly its variables.
https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-cli-using-invoke.html
"""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from crm_relay.platform.encryption.master_key import open_master_key
from crm_relay.platform.settings import SECRET_ID
from local.template.intrinsics import load_template
from local.template.secrets import settings_class
from local.template.template import FunctionDefinition, SamTemplate

LOCAL_TEMPLATE = "local.yaml"
"""Beside the built template, since the paths in it are relative."""

KEY_LAYER = "ConnectionKeyLayer"
"""Of the local template alone: a container sees no other file of this machine."""

_KEY_IN_CONTAINER = "file:/opt/connection.key"

ACCESS = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
_ALWAYS = (*ACCESS, "AWS_EC2_METADATA_DISABLED", "POWERTOOLS_METRICS_DISABLED")
_FILE = "file:"
_LOOPBACK = re.compile(r"\b(?:127\.0\.0\.1|localhost)(?=:\d)")
_ARCHITECTURES = {"x86_64-linux-gnu": "x86_64", "aarch64-linux-gnu": "arm64"}


def container_environment(
    template: SamTemplate, known: Mapping[str, str], host: str, shared: Path
) -> dict[str, dict[str, str]]:
    """Logical id -> variable -> value. `host`: where a container finds what listens on this machine's loopback.

    What is not set is left out, and so are files of this machine, but for the key of
    connections and for those in `shared`, which layers hold.
    """
    return {
        definition.logical_id: {
            name: seen
            for name in sorted(variables_of(definition))
            if known.get(name) and (seen := _seen_from_container(name, known[name], host, shared)) is not None
        }
        for definition in template.functions.values()
    }


def variables_of(definition: FunctionDefinition) -> set[str]:
    """What a function reads: its settings, what the template gives it, and how boto3 finds AWS."""
    settings = {name.upper() for name in settings_class(definition.name).model_fields}
    return (settings | definition.environment.keys() | set(_ALWAYS)) - {SECRET_ID}


def write_local_template(
    template: SamTemplate, build_directory: Path, variables: Mapping[str, Mapping[str, str]], connection_key: str
) -> Path:
    """The built functions and layers alone, without an intrinsic function but the layers' names.

    `connection_key`: CONNECTION_KEY, whose file is made where it is missing and goes into a layer of this template.
    """
    built = load_template(build_directory / "template.yaml")["Resources"]
    architecture = built_architecture(build_directory)
    functions = {
        each.logical_id: _function(each, built, architecture, variables[each.logical_id])
        for each in template.functions.values()
    }
    layers = {name for each in template.functions.values() for name in each.layers}
    resources = {name: _layer(built[name]["Properties"]["ContentUri"]) for name in sorted(layers)} | functions
    if connection_key.startswith(_FILE):
        resources[KEY_LAYER] = _layer(_copy_key(connection_key, build_directory / "connection-key"))
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": resources,
    }
    file = build_directory / LOCAL_TEMPLATE
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return file


def write_environment(file: Path, variables: Mapping[str, Mapping[str, str]]) -> None:
    """Readable by nobody else: it holds the keys of the stack."""
    file.touch(0o600)
    file.chmod(0o600)
    file.write_text(json.dumps(variables, indent=2), encoding="utf-8")


def built_architecture(build_directory: Path) -> str | None:
    """Of the compiled packages in the layer; None where nothing is built."""
    for library in (build_directory / "DependenciesLayer").rglob("*.so"):
        for ending, architecture in _ARCHITECTURES.items():
            if ending in library.name:
                return architecture
    return None


def ports_of(variables: Mapping[str, Mapping[str, str]], host: str) -> set[int]:
    """The ports behind `host` that the functions connect to."""
    found = re.compile(rf"{re.escape(host)}:(\d+)")
    texts = (value for each in variables.values() for value in each.values())
    return {int(port) for text in texts for port in found.findall(text)}


def _copy_key(setting: str, folder: Path) -> str:
    open_master_key(setting).wrap(bytes(32))  # makes the file where there is none
    folder.mkdir(0o700, exist_ok=True)
    shutil.copyfile(setting.removeprefix(_FILE), folder / "connection.key")
    return folder.name


def _seen_from_container(name: str, value: str, host: str, shared: Path) -> str | None:
    if name == "CONNECTION_KEY" and value.startswith(_FILE):
        return _KEY_IN_CONTAINER
    if value.startswith(("/", f"{shared.name}/")) and not value.startswith("/opt/"):
        path = shared.parent / value
        return f"/opt/python/{path.relative_to(shared)}" if path.is_relative_to(shared) else None
    seen = _LOOPBACK.sub(host, value)
    # The embedded server has no TLS, which is demanded of every host that is not loopback.
    needs_no_tls = seen != value and urlsplit(seen).scheme in {"postgresql", "postgres"} and "sslmode=" not in seen
    return f"{seen}{'&' if '?' in seen else '?'}sslmode=disable" if needs_no_tls else seen


def _function(
    definition: FunctionDefinition, built: Mapping[str, Any], architecture: str | None, variables: Mapping[str, str]
) -> dict[str, Any]:
    own_layers = [KEY_LAYER] if variables.get("CONNECTION_KEY") == _KEY_IN_CONTAINER else []
    return {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "FunctionName": definition.name,
            "Runtime": "python3.13",
            "Architectures": [architecture],
            "CodeUri": built[definition.logical_id]["Properties"]["CodeUri"],
            "Handler": definition.handler,
            "MemorySize": definition.memory,
            "Timeout": definition.timeout,
            "Layers": [{"Ref": name} for name in (*definition.layers, *own_layers)],
            "Environment": {"Variables": dict.fromkeys(variables, "")},
        },
    }


def _layer(content: str) -> dict[str, Any]:
    properties = {"ContentUri": content, "CompatibleRuntimes": ["python3.13"]}
    return {"Type": "AWS::Serverless::LayerVersion", "Properties": properties}
