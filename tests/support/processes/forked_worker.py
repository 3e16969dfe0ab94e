"""A process that forks a worker for every order and lets it die as SIGKILL does: at a line, at a step, or at a moment.

`python -m tests.support.processes.forked_worker` reads one JSON order a line and answers with the pid of the
child; a second line tells how the child ended, once it is asked for. It has no threads of its own, so that
forking is safe.
"""

import json
import os
import random
import signal
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import FrameType
from typing import Any, TypeVar

from crm_relay.campaigns.engine.run_due_steps import EngineContext, run_due_steps
from crm_relay.mail.models import Identity, Mode, SendPolicy
from crm_relay.platform.clock import Deadline
from crm_relay.platform.database import Database, Row
from crm_relay.platform.http.http_client import Answer, HttpClient
from crm_relay.platform.logging import logger
from crm_relay.providers.resend.client import Resend
from tests.support.processes.preloaded import Preloaded
from tests.support.source_tree import ROOT

SENDER = Identity(None, "team@relay.example", postal_address="1 Example Street")
_HOUSE = str(ROOT / "shared" / "crm_relay")

T = TypeVar("T")
Line = Callable[[FrameType, str, Any], Any]


@dataclass(frozen=True)
class Order:
    """What a worker is to do. `dies`: {"line": n}, {"step": n, "before": bool}, or nothing: it lives to its end.

    `ledger` False: it forgets under which key it asked before, as somebody without a ledger does.
    """

    database_url: str
    resend_url: str
    api_key: str
    now: str
    dies: Mapping[str, Any]
    ledger: bool = True


class ForkServer(Preloaded):
    """The process, from outside."""

    def __init__(self) -> None:
        super().__init__("tests.support.processes.forked_worker", os.environ)

    def start(self, order: Order) -> int:
        """The pid of a worker that has begun."""
        return int(self.ask(vars(order)))

    def end_of(self, pid: int) -> dict[str, Any]:
        """How it ended: `signal` (0: by itself), and the `lines` and `steps` that it took (None where it died)."""
        return dict(self.ask({"wait": pid}))


@dataclass
class _Death:
    """Counts what the worker does, and kills it at the appointed place."""

    line: int = 0
    step: int = 0
    before: bool = False
    lines: int = 0
    steps: int = 0

    def watch(self, _frame: FrameType, event: str, _argument: Any) -> "Line | None":
        """For sys.settrace: every line of the house, and nobody else's."""
        if event == "call" and not _frame.f_code.co_filename.startswith(_HOUSE):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.line:
                _die()
        return self.watch

    def around(self, call: Callable[[], T]) -> T:
        """One statement, commit or request."""
        self.steps += 1
        if self.steps == self.step and self.before:
            _die()
        answer = call()
        if self.steps == self.step:
            _die()
        return answer


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _WatchedDatabase(Database):
    def __init__(self, url: str, death: _Death) -> None:
        super().__init__(url)
        self._death = death

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        return self._death.around(lambda: super(_WatchedDatabase, self)._send(sql, **more))


class _WatchedHttp(HttpClient):
    death: _Death

    def send(self, method: str, path: str, **more: Any) -> Answer:
        return self.death.around(lambda: super(_WatchedHttp, self).send(method, path, **more))


class _Forgetful:
    """Asks with a key of its own each time, and yet says that it has keys."""

    name = "resend"
    largest_batch = 100
    has_idempotency_key = True

    def __init__(self, resend: Resend) -> None:
        self._resend = resend

    def send_batch(self, payload: bytes, _key: str) -> Any:
        return self._resend.send_batch(payload, uuid.uuid4().hex)


def work(order: Order) -> dict[str, int]:
    """One run of the engine, as campaign_cron does it."""
    dies = order.dies
    death = _Death(dies.get("line", 0), dies.get("step", 0), dies.get("before", False))
    database = _WatchedDatabase(order.database_url, death)
    http = _WatchedHttp(order.resend_url, timeout=(2.0, 2.0))
    http.death = death
    resend = Resend(http, order.api_key)
    now = datetime.fromisoformat(order.now)
    context = EngineContext(
        resend if order.ledger else _Forgetful(resend),
        SendPolicy(Mode.LIVE),
        "https://crm.example.com",
        sender=SENDER,
    )
    if "line" in dies:
        sys.settrace(death.watch)
    try:
        run_due_steps(database, context, lambda: now, Deadline.after(120))
    finally:
        sys.settrace(None)
        database.close()
    return {"lines": death.lines, "steps": death.steps}


def _child(order: Order, report: int) -> None:
    random.seed()
    done = work(order)
    os.write(report, json.dumps(done).encode())


def _serve() -> None:
    logger().setLevel("CRITICAL")
    reports: dict[int, int] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            pid = order["wait"]
            _, status = os.waitpid(pid, 0)
            answered = os.read(reports[pid], 10_000)
            os.close(reports.pop(pid))
            ended = {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, "code": status >> 8}
            answer: object = ended | (json.loads(answered) if answered else {"lines": None, "steps": None})
        else:
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(reading)
                # The pipe is for answers: what the worker logs and counts is nobody's here.
                os.dup2(os.open(os.devnull, os.O_RDWR), sys.stdout.fileno())
                code = 1
                try:
                    _child(Order(**order), writing)
                    code = 0
                finally:
                    os._exit(code)
            os.close(writing)
            reports[pid], answer = reading, pid
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
