"""A table of routes: who may call which, what a request has to look like, and what is answered."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from crm_relay.platform.errors import RejectedInput
from crm_relay.platform.http.answer_headers import AllowedOrigins, no_origins
from crm_relay.platform.http.callers import Caller, Role
from crm_relay.platform.http.http_edge import Accepts, Body, HttpRequest, PageContent
from crm_relay.platform.http.visibility import VisibleFrom, visible

_MAX_BODY_BYTES = 1024 * 1024


class Given(BaseModel):
    """What a route takes: parameters of its path, with GET those of its query, else the members of its JSON body."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class Nothing(Given):
    """The route takes no more than its address."""


@dataclass(frozen=True)
class Call:
    """`caller` is None only where the route asks for no token; `given` is an instance of the route's `takes`."""

    caller: Caller | None
    given: Any

    @property
    def who(self) -> str:
        """For the audit trail."""
        return "nobody" if self.caller is None else self.caller.name


Identify = Callable[[str], Caller | None]
"""Whose token stands in this text of the header Authorization; None for none that is valid."""


@dataclass(frozen=True)
class ApiRoute:
    """One operation. `answer` gets the dependencies that the table is used with. `role` None: no token is needed.

    `gives` is a type that pydantic knows; what `answer` returns is put into it. With `gives` None the answer is a
    Content. `status` is that of a success; `errors` are those besides what every route may answer.
    """

    method: str
    path: str
    summary: str
    answer: Callable[[Any, Call], object]
    role: Role | None = Role.READ
    takes: type[BaseModel] = Nothing
    gives: Any = None
    status: int = 200
    errors: tuple[int, ...] = ()

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Of the whole path; the variables of `path` are its groups."""
        return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))

    @cached_property
    def path_parameters(self) -> tuple[str, ...]:
        """In the order of the path."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    @cached_property
    def body_fields(self) -> frozenset[str]:
        """What stands in the body of a request that has one."""
        return frozenset(self.takes.model_fields) - frozenset(self.path_parameters)

    @cached_property
    def gives_adapter(self) -> TypeAdapter[Any]:
        """Made on first use: a cold start pays only for the route that is called."""
        return TypeAdapter(self.gives)

    def call(self, request: HttpRequest, parameters: Mapping[str, str], identify: Identify) -> Call:
        """Raises RejectedInput: 401, 403, 400, 422."""
        return Call(self._admit(request, identify), self._read(request, parameters))

    def render(self, answer: object) -> tuple[int, Body]:
        """What `answer` returned, as the route's status and body."""
        if isinstance(answer, PageContent):
            return self.status, answer
        found = self.gives_adapter.validate_python(answer, from_attributes=True)
        return self.status, PageContent(self.gives_adapter.dump_json(found).decode())

    def _admit(self, request: HttpRequest, identify: Identify) -> Caller | None:
        if self.role is None:
            return None
        caller = identify(request.headers.get("authorization", ""))
        if caller is None:
            raise RejectedInput("a valid token is needed", status=401, details=["Authorization: Bearer <token>"])
        if caller.role < self.role:
            needed = self.role.name.lower()
            raise RejectedInput("this token may not do that", status=403, details=[f"role needed: {needed}"])
        return caller

    def _read(self, request: HttpRequest, parameters: Mapping[str, str]) -> BaseModel:
        try:
            if self.method == "GET":
                return self.takes.model_validate({**request.query, **parameters})
            return self._read_body(request.body or b"{}", parameters)
        except ValidationError as error:
            raise _rejected(error) from None

    def _read_body(self, body: bytes, parameters: Mapping[str, str]) -> BaseModel:
        """As strict as JSON is: a number in quotes is none. Where the path says all that is meant the body is empty."""
        if not parameters:
            return self.takes.model_validate_json(body, strict=True)
        given = _JSON_OBJECT.validate_json(body)
        if not self.body_fields:
            if given:
                raise RejectedInput("the request is not valid", status=422, details=["the body has to be empty"])
            return self.takes.model_validate(parameters)
        if twice := sorted(parameters.keys() & given.keys()):
            raise RejectedInput("the request is not valid", status=422, details=[f"{twice[0]}: stands in the path"])
        # Through JSON once more: there, and only there, a strict model takes a list for a tuple and text for a UUID.
        return self.takes.model_validate_json(json.dumps({**given, **parameters}), strict=True)


_JSON_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def _rejected(error: ValidationError) -> RejectedInput:
    """Names fields and rules, never a value; 400 for what is no JSON at all."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    if any(each["type"] == "json_invalid" for each in problems):
        return RejectedInput("the body is not JSON")
    details = [f"{'.'.join(str(part)[:40] for part in each['loc'])}: {each['msg']}" for each in problems[:10]]
    return RejectedInput("the request is not valid", status=422, details=details)


class Routes:
    """Answers what `platform.http_edge.respond` hands over."""

    def __init__(
        self,
        table: Sequence[ApiRoute],
        dependencies: Callable[[], object],
        identify: Identify,
        visible_from: VisibleFrom | None = None,
        origins: AllowedOrigins = no_origins,
    ) -> None:
        self.table = tuple(table)
        self._dependencies = dependencies
        self._identify = identify
        self._visible_from = visible_from or {}
        self._origins = origins

    def accepts(self, event: Mapping[str, Any]) -> Accepts:
        """The methods that the event's path knows; every one where it is no path of ours, so that 404 is told."""
        path = str(event.get("rawPath", "/"))
        known = {route.method for route in self._routes_of(path)}
        methods = known or {route.method for route in self.table}
        return Accepts(tuple(sorted(methods)), max_body_bytes=_MAX_BODY_BYTES, origins=self._origins)

    def answer(self, request: HttpRequest) -> tuple[int, Body]:
        """Raises RejectedInput with 404 for an unknown path, what Route.call raises, and what the answer raises."""
        for route in self._routes_of(request.path):
            match = route.pattern.fullmatch(request.path) if route.method == request.method else None
            if match is not None:
                call = route.call(request, match.groupdict(), self._identify)
                answer = route.answer(self._dependencies(), call)
                return route.render(
                    answer if call.caller is None else visible(answer, call.caller.role, self._visible_from)
                )
        raise RejectedInput("there is no such address", status=404)

    def _routes_of(self, path: str) -> list[ApiRoute]:
        """Those of this very path, else those whose parameters take it: `funnels` is no id where it is a path."""
        literal = [route for route in self.table if route.path == path]
        return literal or [route for route in self.table if route.pattern.fullmatch(path)]
