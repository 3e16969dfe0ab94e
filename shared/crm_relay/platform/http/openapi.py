"""Describes a table of routes as OpenAPI 3.1, from the models that validate requests and answers."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from crm_relay.platform.http.http_routes import ApiRoute

_REF = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "required": ["error", "details"],
    "properties": {"error": {"type": "string"}, "details": {"type": "array", "items": {"type": "string"}}},
}
_MEANINGS = {
    400: "The request cannot be read.",
    401: "A valid token is needed.",
    403: "The token's role may not do this.",
    404: "There is no such thing.",
    409: "It is not in a state in which this can be done.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "A field is not valid; details name it.",
    429: "Too many requests; answered by API Gateway.",
    503: "Try again later.",
}
_TAKES_A_BODY = (413, 415)


def describe(table: Sequence[ApiRoute], *, title: str, version: str, description: str) -> dict[str, Any]:
    """The document; the same for the same table."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(route: ApiRoute, schemas: dict[str, Any]) -> dict[str, Any]:
    taken = _schema_of(route.takes, schemas)
    parameters, body = _parameters(route, taken), _body(route, taken)
    role = "" if route.role is None else f"Role: {route.role.name.lower()}."
    return {
        "operationId": f"{route.method.lower()}{route.path.translate(_IN_AN_ID)}",
        "summary": route.summary,
        "description": role,
        "security": [] if route.role is None else [{"token": []}],
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": body} if body else {}),
        "responses": _responses(route, schemas),
    }


_IN_AN_ID = str.maketrans({"/": "_", "{": None, "}": None, "-": "_", ".": "_"})


def _schema_of(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=_REF)
    schemas |= schema.pop("$defs", {})
    return schema


def _parameters(route: ApiRoute, taken: dict[str, Any]) -> list[dict[str, Any]]:
    required = taken.get("required", [])
    found = []
    for name, schema in taken.get("properties", {}).items():
        in_path = name in route.path_parameters
        if in_path or route.method == "GET":
            place = "path" if in_path else "query"
            found.append({"name": name, "in": place, "required": in_path or name in required, "schema": schema})
    return found


def _body(route: ApiRoute, taken: dict[str, Any]) -> dict[str, Any] | None:
    if route.method == "GET" or not route.body_fields:
        return None
    schema = {name: value for name, value in taken.items() if name not in {"title", "description"}}
    schema["properties"] = {name: value for name, value in schema["properties"].items() if name in route.body_fields}
    required = [name for name in schema.pop("required", []) if name in route.body_fields]
    if required:
        schema["required"] = required
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def _responses(route: ApiRoute, schemas: dict[str, Any]) -> dict[str, Any]:
    statuses = {400, 405, 422, 429, 503, *route.errors} | (set() if route.role is None else {401, 403})
    statuses |= set(_TAKES_A_BODY)
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    failures = {
        str(status): {"description": _MEANINGS.get(status, "Not allowed."), "content": error}
        for status in sorted(statuses)
    }
    return {str(route.status): _success(route, schemas)} | failures


def _success(route: ApiRoute, schemas: dict[str, Any]) -> dict[str, Any]:
    if route.gives is None:
        return {"description": "The file or document."}
    schema = TypeAdapter(route.gives).json_schema(mode="serialization", ref_template=_REF)
    schemas |= schema.pop("$defs", {})
    return {"description": "Done.", "content": {"application/json": {"schema": schema}}}
