"""Which secret of an installation a setting lies in: each function may read those of its settings, and no other."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class SecretGroup(StrEnum):
    """A JSON secret, named `<SecretName>/<group>`."""

    DATABASE = "database"
    """How the functions' own role logs in."""
    PUBLIC = "public"
    """What tells a provider's call, or our link, from a stranger's."""
    WORKERS = "workers"
    """What opens a provider's API."""
    ADMIN = "admin"
    """What opens our own."""
    MIGRATION = "migration"
    """How the owner of the tables logs in."""


@dataclass(frozen=True)
class InSecret:
    """Among the metadata of a field: where its value lies."""

    group: SecretGroup


IN_DATABASE_SECRET = InSecret(SecretGroup.DATABASE)
IN_PUBLIC_SECRET = InSecret(SecretGroup.PUBLIC)
IN_WORKERS_SECRET = InSecret(SecretGroup.WORKERS)
IN_ADMIN_SECRET = InSecret(SecretGroup.ADMIN)
IN_MIGRATION_SECRET = InSecret(SecretGroup.MIGRATION)


def group_of(field: FieldInfo) -> SecretGroup | None:
    """None for a setting that is not secret."""
    return next((each.group for each in field.metadata if isinstance(each, InSecret)), None)


def groups_of(settings: type[BaseModel]) -> Mapping[str, SecretGroup]:
    """Variable -> its secret, of every secret setting of one function."""
    found = {name.upper(): group_of(field) for name, field in settings.model_fields.items()}
    return {name: group for name, group in found.items() if group is not None}


def secret_name(base: str, group: SecretGroup) -> str:
    """Of the secret in Secrets Manager; `base` is the template's parameter SecretName."""
    return f"{base}/{group.value}"
