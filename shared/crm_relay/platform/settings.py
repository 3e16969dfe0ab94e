"""Settings of one function: read on use from the environment and from JSON secrets, all problems listed at once."""

import json
import os
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from crm_relay.platform.errors import FatalError, TransientError

SECRET_ID = "CRM_RELAY_SECRET_ID"  # noqa: S105 - the name of a setting
PARAMETER_PREFIX = "ssm:"
"""Of the name of a secret that is a SecureString of Parameter Store: `ssm:/crm-relay/prod/database`."""

_SECRET_AGE_SECONDS = 300


class SettingsWrong(FatalError):
    """Settings are missing or malformed; `missing` are the names of those that are not set."""

    def __init__(self, message: str, missing: tuple[str, ...]) -> None:
        super().__init__(message)
        self.missing = missing


class SettingsModel(BaseModel):
    """Base of every function's settings: a field `x_y` is the variable X_Y."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


def split_commas(value: object) -> object:
    """A text at its commas; anything else is left to the type."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaSeparated = Annotated[tuple[str, ...], BeforeValidator(split_commas)]
"""Several values at once."""

SHORTEST_TOKEN = 32
"""A token is the whole credential: anyone who guesses it is in."""

SHORTEST_SIGNING_SECRET = 16
"""Such a secret is never sent; a guess of it costs a signed request."""


def _long_enough(secrets: tuple[str, ...]) -> tuple[str, ...]:
    if any(len(each) < SHORTEST_SIGNING_SECRET for each in secrets):
        raise ValueError(f"a secret is shorter than {SHORTEST_SIGNING_SECRET} characters")
    return secrets


SigningSecrets = Annotated[CommaSeparated, AfterValidator(_long_enough)]
"""Several at once while one is replaced, as in MAUTIC_WEBHOOK_SECRET."""

S = TypeVar("S", bound=SettingsModel)


def read_settings(kind: type[S], environment: Mapping[str, str] | None = None) -> S:
    """An instance of `kind`. The environment wins over the secrets; an empty variable counts as not set.

    Raises SettingsWrong, which names every missing or malformed variable and never a value.
    """
    environment = os.environ if environment is None else environment
    names = {field.upper(): field for field in kind.model_fields}
    given = {field: environment[name] for name, field in names.items() if environment.get(name)}
    if environment.get(SECRET_ID) and given.keys() != set(names.values()):
        secret = _read_secrets(environment[SECRET_ID])
        given = {field: secret[name] for name, field in names.items() if secret.get(name)} | given
    if unreadable := [field.upper() for field, value in given.items() if not _is_text(value)]:
        raise FatalError(f"settings: {', '.join(unreadable)}: is not UTF-8")
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        errors = error.errors(include_input=False)
        problems = [_problem(each["loc"], each["type"], each["msg"]) for each in errors]
        missing = tuple(str(each["loc"][0]).upper() for each in errors if each["type"] == "missing")
        raise SettingsWrong(f"settings: {'; '.join(problems)}", missing) from None


def _is_text(value: str) -> bool:
    """An error about a character that cannot be encoded would hold the whole value."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _problem(place: tuple[int | str, ...], kind: str, message: str) -> str:
    problem = "is not set" if kind == "missing" else message
    # What is wrong with several settings together names them itself.
    return f"{str(place[0]).upper()}: {problem}" if place else problem


def _read_secrets(names: str) -> dict[str, str]:
    """Of several names, separated by commas, the first that has a variable says what it is."""
    ids = [each.strip() for each in names.split(",") if each.strip()]
    found: dict[str, str] = {}
    for number, secret_id in enumerate(ids, start=1):
        which = (
            f"the secret named by {SECRET_ID}" if len(ids) == 1 else f"secret {number} of those named by {SECRET_ID}"
        )
        found = _read_secret(secret_id, which) | found
    return found


def _read_secret(secret_id: str, which: str) -> dict[str, str]:
    # Imported here: boto3 costs 140 ms of a cold start, which a function without a secret does not pay.
    from aws_lambda_powertools.utilities import parameters
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    try:
        if secret_id.startswith(PARAMETER_PREFIX):
            path = secret_id.removeprefix(PARAMETER_PREFIX)
            text = parameters.get_parameter(path, decrypt=True, max_age=_SECRET_AGE_SECONDS)
        else:
            text = parameters.get_secret(secret_id, max_age=_SECRET_AGE_SECONDS)
    except GetParameterError:
        raise TransientError(f"{which} cannot be read") from None
    try:
        secret = json.loads(text)
    except ValueError:
        raise FatalError(f"{which} is not JSON") from None
    if not isinstance(secret, dict):
        raise FatalError(f"{which} must be a JSON object of variables")
    # JSON values such as BISON_API_TOKENS may stand in the secret as they are.
    return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in secret.items()}
