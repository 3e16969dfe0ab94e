"""Runs handlers in this process as Lambda runs them: a fixed number of environments, one request at a time in each."""

import importlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

from crm_relay.platform.logging import logger
from local.runtime.lambda_context import LocalLambdaContext
from local.template.template import FunctionDefinition

Handler = Callable[[dict[str, Any], Any], Any]


class ExecutionEnvironments:
    """One thread stands for one environment, because a handler's wiring is kept per thread.

    More requests than environments wait for one; Lambda would start another or answer 429.
    """

    def __init__(self, function: FunctionDefinition, count: int, handler: Handler | None = None) -> None:
        self._function = function
        self._handler = handler
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=f"lambda-{function.name}")

    def submit(self, event: Mapping[str, Any]) -> "Future[Any]":
        """The handler's own exception stands in the future; the event and the answer go through JSON, as there."""
        return self._threads.submit(self._run, json.dumps(event))

    def stop(self, *, waits: bool = True) -> None:
        """Requests that wait are dropped; `waits`: those that run end first."""
        self._threads.shutdown(wait=waits, cancel_futures=True)

    def _run(self, payload: str) -> Any:
        # In Lambda the name stands in the environment of each function; here they share one.
        logger().thread_safe_append_keys(service="crm-relay-local", function_name=self._function.name)
        handler = self._handler or load_handler(self._function.handler)
        answer = handler(json.loads(payload), LocalLambdaContext.of(self._function))
        return json.loads(json.dumps(answer))


def load_handler(path: str) -> Handler:
    """`mautic_sync.handler.handler` -> the function; its module is imported on first use."""
    module, _, name = path.rpartition(".")
    return cast("Handler", getattr(importlib.import_module(module), name))
