"""Stands in for API Gateway and Lambda on 127.0.0.1: HTTP in, the template's functions in this process."""

import json
import logging
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import wait
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from local.aws.http_event import (
    LAMBDA_LIMIT_BYTES,
    RouteMatch,
    build_event,
    match_route,
    message,
    read_body,
    request_path,
    to_response,
)
from local.runtime.execution import ExecutionEnvironments, Handler
from local.serving import SELECT_SECONDS, stop_serving
from local.template.template import SamTemplate

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

GATEWAY_TIMEOUT_SECONDS = 30
logger = logging.getLogger(__name__)


class _SilentRequestHandler(WSGIRequestHandler):
    """Tokens stand in some paths, so no path is logged, here as little as in the deployed access log."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class Edge:
    """`handlers` puts functions in the place of the template's own, by name; port 0 takes a free one."""

    def __init__(
        self,
        template: SamTemplate,
        environments_per_function: int = 4,
        port: int = 0,
        handlers: Mapping[str, Handler] | None = None,
    ) -> None:
        self._functions = template.functions
        self._routes = {route: name for name, one in self._functions.items() for route in one.routes}
        self._environments = {
            name: ExecutionEnvironments(one, environments_per_function, (handlers or {}).get(name))
            for name, one in self._functions.items()
        }
        self._server = make_server(
            "127.0.0.1", port, self._application, threaded=True, request_handler=_SilentRequestHandler
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=[SELECT_SECONDS], name="edge", daemon=True
        )

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self, *, waits: bool = True) -> None:
        """Safe to call twice, and without a start. `waits`: for requests that run."""
        if self._thread.is_alive():
            stop_serving(self._server)
            self._thread.join()
        self._server.server_close()
        for environments in self._environments.values():
            environments.stop(waits=waits)

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """What the handler returns; raises what it raises, and KeyError for an unknown function."""
        return self._environments[function].submit(event).result()

    def _application(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        body = read_body(request)
        match = match_route(self._routes, request.method, request_path(request))
        if match is None:
            return message(404, "Not Found")
        if body is None:
            return message(413, "Request Entity Too Large")
        event = build_event(request, match, body, datetime.now(UTC))
        if len(json.dumps(event)) > LAMBDA_LIMIT_BYTES:
            return message(413, "Request Entity Too Large")
        return self._invoke_for_http(match, event)

    def _invoke_for_http(self, match: RouteMatch, event: dict[str, Any]) -> Response:
        timeout = self._functions[match.function].timeout
        future = self._environments[match.function].submit(event)
        done, _ = wait([future], min(timeout, GATEWAY_TIMEOUT_SECONDS))
        if not done:  # the thread goes on, as it cannot be killed; Lambda's would be
            slow_gateway = timeout >= GATEWAY_TIMEOUT_SECONDS
            return message(503, "Service Unavailable") if slow_gateway else message(500, "Internal Server Error")
        if failure := future.exception():
            logger.error("%s failed", match.function, exc_info=failure)
            return message(500, "Internal Server Error")
        answer = future.result()
        if len(json.dumps(answer)) > LAMBDA_LIMIT_BYTES:
            return message(500, "Internal Server Error")
        return to_response(answer)
