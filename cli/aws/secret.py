"""crm-relay secret: the JSON secrets of an installation, each readable by the functions that need it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import FOUND, GOOD, AsJson, DryRun, EnvFile, reports_errors, show, use_settings
from crm_relay.platform.aws.secret_groups import SecretGroup, secret_name
from crm_relay.platform.aws.secret_store import create_secret, read_secret, replace_secret
from crm_relay.platform.errors import RejectedInput
from local.stack_file import ROOT
from local.template.secrets import secret_variables, split_by_secret
from local.template.template import SamTemplate

app = typer.Typer(no_args_is_help=True, help="Write the secrets that functions read.")


@dataclass(frozen=True)
class SecretChange:
    """`variables` are names alone; `change` is created, changed or unchanged."""

    secret: str
    change: str
    variables: tuple[str, ...]


@app.command("write")
@reports_errors
def write(
    name: Annotated[
        str, typer.Argument(help="What the secrets' names begin with: the template's parameter SecretName.")
    ],
    file: Annotated[Path | None, typer.Option("--file", help="JSON object of variables.")] = None,
    from_secret: Annotated[
        str | None, typer.Option("--from-secret", help="Name of a JSON secret that holds the variables.")
    ] = None,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> int:
    """Write variables into the secrets that they belong to.

    NAME/database, NAME/public, NAME/workers, NAME/admin and NAME/migration are created where they are missing.
    Variables that are not given stay as they are; one that is given as null is removed. Values are never shown. With
    --dry-run, exit status 1 means that something would change.
    """
    if env_file is not None:  # never the AWS of a stack that runs here: the secrets are a deployment's
        use_settings(env_file)
    variables = secret_variables(SamTemplate.read(ROOT / "template.yaml").functions)
    given = _given(file, from_secret)
    if unknown := sorted(given.keys() - variables.keys()):
        raise RejectedInput("no function reads these from a secret", details=unknown)
    parts = split_by_secret(given, variables)
    changes = [_write(secret_name(name, group), parts[group], dry_run=dry_run) for group in SecretGroup]
    show([asdict(each) for each in changes], as_json, "Secrets")
    return FOUND if dry_run and any(each.change != "unchanged" for each in changes) else GOOD


def _given(file: Path | None, from_secret: str | None) -> Mapping[str, Any]:
    if (file is None) == (from_secret is None):
        raise RejectedInput("one of --file and --from-secret is needed")
    if from_secret is not None:
        content: Any = read_secret(from_secret)
    else:
        content = _read(file) if file is not None and file.is_file() else None
    if not isinstance(content, dict):
        raise RejectedInput("there is no JSON object of variables there")
    return content


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _write(name: str, part: Mapping[str, Any], *, dry_run: bool) -> SecretChange:
    before = read_secret(name)
    after = {key: value for key, value in {**(before or {}), **part}.items() if value is not None}
    change = "created" if before is None else "unchanged" if after == before else "changed"
    if not dry_run and change != "unchanged":
        (create_secret if before is None else replace_secret)(name, after)
    return SecretChange(name, change, tuple(sorted(after)))
