"""What commands about workflows need besides the database."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
import yaml

from cli.console import DatabaseSettings, installation_of
from crm_relay.installation.installation import Installation
from crm_relay.platform.errors import RejectedInput
from crm_relay.workflows.definition.drafts import find_workflow

_PATIENCE = 60.0

CALLED = typer.Argument(metavar="WORKFLOW", help="Id or name of the workflow.")
Called = Annotated[str, CALLED]
Organization = Annotated[
    UUID | None,
    typer.Option("--organization", help="Id of an organization, where names are those of its workflows alone."),
]


class WorkflowCommandSettings(DatabaseSettings):
    """What wakes the function."""

    workflow_queue_url: str | None = None


@contextmanager
def open_workflows(
    env_file: Path | None, *, patience: float = _PATIENCE
) -> Iterator[Installation[WorkflowCommandSettings]]:
    """Of the settings; closed at the end."""
    installation = installation_of(env_file, WorkflowCommandSettings, database_seconds=patience)
    try:
        yield installation
    finally:
        installation.close()


def workflow_called(
    installation: Installation[WorkflowCommandSettings], called: str, organization: UUID | None = None
) -> UUID:
    """RejectedInput for none, or for several of this name."""
    return find_workflow(installation.database, called, org_id=organization)


def read_workflow(file: Path) -> Mapping[str, Any]:
    """Of JSON or YAML; the loader makes nothing but plain values."""
    try:
        text = file.read_text(encoding="utf-8")
        found = yaml.safe_load(text) if file.suffix in {".yaml", ".yml"} else json.loads(text)
    except OSError:
        raise RejectedInput(f"{file} cannot be read") from None
    except (ValueError, RecursionError, yaml.YAMLError):
        raise RejectedInput(f"{file} is neither JSON nor YAML, or not what its name ends in") from None
    if not isinstance(found, dict):
        raise RejectedInput(f"{file} has to hold one workflow")
    return found
