"""The settings that one function runs with: values but for secrets, and what is a default."""

from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from crm_relay.platform.aws.secret_groups import group_of
from crm_relay.platform.settings import SettingsModel


@dataclass(frozen=True)
class SettingShown:
    """`value` None: it is not set, or a secret, of which no more than `is_set` is shown."""

    name: str
    description: str
    is_secret: bool
    is_set: bool
    is_default: bool
    value: str | None


def settings_in_force(settings: SettingsModel) -> list[SettingShown]:
    """By name."""
    return [_shown(settings, name) for name in sorted(type(settings).model_fields)]


def _shown(settings: SettingsModel, name: str) -> SettingShown:
    field, value = type(settings).model_fields[name], getattr(settings, name)
    is_secret, is_set = group_of(field) is not None, value not in (None, "", (), {})
    said = _said(value) if is_set and not is_secret else None
    return SettingShown(
        name.upper(), field.description or "", is_secret, is_set, name not in settings.model_fields_set, said
    )


def _said(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(_said(each) for each in value)
    return _without_password(str(value.value if isinstance(value, Enum) else value))


def _without_password(text: str) -> str:
    """An address may carry credentials, whatever the setting is called."""
    parts = urlsplit(text) if "://" in text else None
    if parts is None or "@" not in parts.netloc:
        return text
    return urlunsplit(parts._replace(netloc="…@" + parts.netloc.rpartition("@")[2], query=""))
