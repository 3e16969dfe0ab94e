"""Which secret each variable lies in, as the settings of the template's functions say."""

import importlib
from collections.abc import Iterable, Mapping

from crm_relay.platform.aws.secret_groups import SecretGroup, groups_of
from crm_relay.platform.settings import SettingsModel


def settings_class(function: str) -> type[SettingsModel]:
    """The one that the function reads."""
    found: type[SettingsModel] = importlib.import_module(f"{function}.settings").Settings
    return found


def secret_variables(functions: Iterable[str]) -> dict[str, SecretGroup]:
    """Variable -> its secret. Raises ValueError where two functions look for it in different ones."""
    found: dict[str, SecretGroup] = {}
    for function in functions:
        for name, group in groups_of(settings_class(function)).items():
            if found.setdefault(name, group) is not group:
                raise ValueError(f"{name} lies in two secrets")
    return found


def split_by_secret(
    content: Mapping[str, object], variables: Mapping[str, SecretGroup]
) -> dict[SecretGroup, dict[str, object]]:
    """What of `content` belongs into each secret, empty ones included. Raises KeyError for an unknown variable."""
    split: dict[SecretGroup, dict[str, object]] = {group: {} for group in SecretGroup}
    for name, value in content.items():
        split[variables[name]][name] = value
    return split
