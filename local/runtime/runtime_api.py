"""Lambda's Runtime API on 127.0.0.1, and a built function that runs against it under the real runtime client."""

import contextlib
import importlib.metadata
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from compileall import compile_dir
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from local.runtime.lambda_context import LocalLambdaContext
from local.template.intrinsics import load_template
from local.template.template import FunctionDefinition

_VERSION = "/2018-06-01/runtime"
_START_SECONDS = 30
# What the deployed runtime has beside our bundle.
_RUNTIME_PACKAGES = ("awslambdaric", "simplejson", "snapshot-restore-py", "boto3", "botocore", "s3transfer", "jmespath")
_RUNTIME_PACKAGES_OF_BOTO = ("python-dateutil", "six", "urllib3")
_BOOTSTRAP = """
import json, os, sys
sys.path[:0] = json.loads(os.environ.pop("BUNDLE_PATH"))
from awslambdaric.__main__ import main
main(["bootstrap", os.environ["_HANDLER"]])
"""


class RuntimeFailureError(Exception):
    """The function's process ended or never asked for an event; the message is what it wrote."""


@dataclass(frozen=True)
class InvocationOutcome:
    """`error` is Lambda's `{"errorType", "errorMessage", "stackTrace"}`, or None where the handler returned."""

    response: Any
    error: dict[str, Any] | None
    milliseconds: float


@dataclass
class _Invocation:
    payload: bytes
    deadline_ms: int
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    finished: threading.Event = field(default_factory=threading.Event)
    response: Any = None
    error: dict[str, Any] | None = None


class _RuntimeApi(ThreadingHTTPServer):
    """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html"""

    daemon_threads = True

    def __init__(self, function_arn: str) -> None:
        super().__init__(("127.0.0.1", 0), _RuntimeApiHandler)
        self.function_arn = function_arn
        self.waiting: queue.Queue[_Invocation | None] = queue.Queue()
        self.current: _Invocation | None = None
        self.ready = threading.Event()
        self.start_error: dict[str, Any] | None = None


class _RuntimeApiHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True  # head and body would wait 40 ms for each other
    server: _RuntimeApi

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the process was ended while it waited for an event
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass

    def do_GET(self) -> None:
        """The next invocation; the first question says that the function's module is imported."""
        self.server.ready.set()
        invocation = self.server.waiting.get()
        self.server.current = invocation
        if invocation is None:
            self._reply(410, b"")
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.server.function_arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:24]};Sampled=0",
            "Content-Type": "application/json",
        }
        self._reply(200, invocation.payload, headers)

    def do_POST(self) -> None:
        """A response, an error, or the failure to start."""
        answer = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null")
        if self.path == f"{_VERSION}/init/error":
            self.server.start_error = answer
            self.server.ready.set()
        elif invocation := self.server.current:
            if self.path.endswith("/error"):
                invocation.error = answer
            else:
                invocation.response = answer
            invocation.finished.set()
        self._reply(202, b"{}")

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class BuiltFunction:
    """One execution environment of a built function; use it with `with`.

    Nothing but the build output, the standard library and `runtime` (see `install_runtime`) can be imported in it.
    `environment` is the whole environment; a path under /opt in it is led to the layer that has it.
    `cold_start_ms` is from the start of the process to its first question for an event.
    """

    def __init__(
        self, function: FunctionDefinition, build_directory: Path, runtime: Path, environment: Mapping[str, str]
    ) -> None:
        self._function = function
        self._directory = _content(build_directory, function.logical_id, "CodeUri")
        self._layers = [_content(build_directory, layer, "ContentUri") for layer in function.layers]
        packages = [layer / "python" for layer in self._layers if (layer / "python").is_dir()]
        self._bundle = [str(path) for path in (self._directory, *packages, runtime)]
        self._environment = {name: self._mounted(value) for name, value in environment.items()}
        self._api = _RuntimeApi(LocalLambdaContext.of(function).invoked_function_arn)
        self._process: subprocess.Popen[bytes] | None = None
        self.cold_start_ms = 0.0
        self.log = b""

    @property
    def mounted(self) -> tuple[Path, list[Path]]:
        """Its own folder of the build, and its layers' in mounting order."""
        return self._directory, self._layers

    def __enter__(self) -> "BuiltFunction":
        threading.Thread(target=self._api.serve_forever, args=[0.02], daemon=True).start()
        started = time.perf_counter()
        # -I -S: no site-packages, no PYTHON* variables; -B: the build output stays as it was built.
        command = [sys.executable, "-I", "-S", "-B", "-c", _BOOTSTRAP]
        self._process = subprocess.Popen(
            command, cwd=self._directory, env=self._variables(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        threading.Thread(target=self._collect_log, daemon=True).start()
        if not self._wait_for(self._api.ready, _START_SECONDS) or self._api.start_error:
            failure = self._failure("did not start")
            self.close()
            raise failure
        self.cold_start_ms = (time.perf_counter() - started) * 1000
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def invoke(self, event: Any) -> InvocationOutcome:
        """Raises RuntimeFailureError when the process ends, or at the function's time-out."""
        deadline = int((time.time() + self._function.timeout) * 1000)
        invocation = _Invocation(json.dumps(event).encode(), deadline)
        started = time.perf_counter()
        self._api.waiting.put(invocation)
        if not self._wait_for(invocation.finished, self._function.timeout):
            raise self._failure("gave no answer")
        return InvocationOutcome(invocation.response, invocation.error, (time.perf_counter() - started) * 1000)

    def close(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        self._api.waiting.put(None)
        self._api.shutdown()
        self._api.server_close()

    def _wait_for(self, event: threading.Event, seconds: float) -> bool:
        """False as soon as the process has ended without it, or after `seconds`."""
        ends_at = time.monotonic() + seconds
        while self._process and self._process.poll() is None and time.monotonic() < ends_at:
            if event.wait(0.02):
                return True
        return event.is_set()

    def _mounted(self, value: str) -> str:
        """A path under /opt, where Lambda mounts the layers, as the place in the build that it stands for."""
        if not value.startswith("/opt/"):
            return value
        places = (layer / value.removeprefix("/opt/") for layer in self._layers)
        return next((str(place) for place in places if place.exists()), value)

    def _collect_log(self) -> None:
        if self._process and self._process.stdout:
            for line in self._process.stdout:
                self.log += line

    def _failure(self, what: str) -> RuntimeFailureError:
        said = self._api.start_error or self.log.decode(errors="replace")[-2000:]
        return RuntimeFailureError(f"{self._function.name} {what}: {said}")

    def _variables(self) -> dict[str, str]:
        host, port = self._api.server_address[:2]
        return {
            "PATH": os.environ["PATH"],
            "TZ": ":UTC",
            "LANG": "en_US.UTF-8",
            **self._environment,
            "AWS_LAMBDA_RUNTIME_API": f"{host!s}:{port}",
            "AWS_LAMBDA_FUNCTION_NAME": self._function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._function.memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self._function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "LAMBDA_TASK_ROOT": str(self._directory),
            "LAMBDA_RUNTIME_DIR": self._bundle[-1],
            "_HANDLER": self._function.handler,
            "BUNDLE_PATH": json.dumps(self._bundle),
        }


def _content(build_directory: Path, logical_id: str, property_name: str) -> Path:
    """Where `sam deploy` would take a resource's files from."""
    built = load_template(build_directory / "template.yaml")
    relative: str = built["Resources"][logical_id]["Properties"][property_name]
    return (build_directory / relative).resolve()


def install_runtime(target: Path) -> Path:
    """Copies what the deployed runtime brings (its client, boto3) from this environment into `target`, compiled."""
    for source, relative in _runtime_files():
        destination = target / relative
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, destination)
    compile_dir(target, quiet=1, workers=1)
    return target


def _runtime_files() -> Iterator[tuple[Path, Path]]:
    for name in (*_RUNTIME_PACKAGES, *_RUNTIME_PACKAGES_OF_BOTO):
        distribution = importlib.metadata.distribution(name)
        for file in distribution.files or []:
            if ".." not in file.parts and file.suffix != ".pyc":
                yield Path(str(distribution.locate_file(file))), Path(*file.parts)
