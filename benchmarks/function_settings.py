"""A webhook's function in this process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from crm_relay.platform.execution_environment import PerEnvironment
from tests.support.function_settings import WITHOUT_AWS


@contextmanager
def function_settings(environment: PerEnvironment[Any], database_url: str, settings: dict[str, str]) -> Iterator[None]:
    """The function of this `environment`, on this database. AWS is away: a delivery that goes well never asks it."""
    with patch.dict(os.environ, WITHOUT_AWS | settings | {"DATABASE_URL": database_url, "CRM_RELAY_SECRET_ID": ""}):
        environment.forget()
        try:
            yield
        finally:
            environment.forget()
