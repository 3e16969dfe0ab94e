"""How a line of the table of routes is written."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from crm_relay.platform.http.callers import Role
from crm_relay.platform.http.http_routes import ApiRoute, Call, Nothing

READ, OPERATE, ADMIN = Role.READ, Role.OPERATE, Role.ADMIN
Answer = Callable[[Any, Call], object]


def get(
    role: Role | None,
    path: str,
    summary: str,
    answer: Answer,
    gives: Any,
    takes: type[BaseModel] = Nothing,
    *,
    status: int = 200,
    errors: tuple[int, ...] = (),
) -> ApiRoute:
    """Looks, and changes nothing; the answer's `errors` besides 404 for what is named in the path."""
    missing = (404,) if "{" in path else ()
    return ApiRoute("GET", path, summary, answer, role, takes, gives, status, errors=(*missing, *errors))


def post(
    role: Role | None,
    path: str,
    summary: str,
    answer: Answer,
    gives: Any,
    takes: type[BaseModel] = Nothing,
    *,
    status: int = 200,
    errors: tuple[int, ...] = (),
) -> ApiRoute:
    """Does something; the answer's `errors` besides those of every route."""
    return ApiRoute("POST", path, summary, answer, role, takes, gives, status, errors)


def patch(
    role: Role,
    path: str,
    summary: str,
    answer: Answer,
    gives: Any,
    takes: type[BaseModel],
    *,
    errors: tuple[int, ...] = (),
) -> ApiRoute:
    """Changes fields of something; the others stay."""
    return ApiRoute("PATCH", path, summary, answer, role, takes, gives, errors=errors)
