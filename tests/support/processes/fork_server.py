"""A process that forks a worker for every order and lets it die as SIGKILL does: at a line, at a step, or at a moment.

A module of workers calls `serve`: it reads one JSON order a line and answers with the pid of the child; a second line
asks how the child ended. The process has no threads of its own, so that forking is safe.
"""

import json
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from crm_relay.platform.database import Database, Row
from crm_relay.platform.logging import logger
from tests.support.processes.preloaded import Preloaded
from tests.support.source_tree import ROOT

_HOUSE = str(ROOT / "shared" / "crm_relay")

T = TypeVar("T")
Line = Callable[[FrameType, str, Any], Any]


class ForkServer(Preloaded):
    """The process, from outside; `module` has the workers."""

    def __init__(self, module: str = "tests.support.processes.forked_worker") -> None:
        super().__init__(module, os.environ)

    def start(self, order: Any) -> int:
        """The pid of a worker that has begun."""
        return int(self.ask(vars(order)))

    def end_of(self, pid: int) -> dict[str, Any]:
        """How it ended: `signal` (0: by itself), and what it answered: `lines` and `steps` (None where it died).

        With `stopped` it has not ended, but stopped itself: it has to be continued, and asked for again.
        """
        return dict(self.ask({"wait": pid}))


@dataclass
class Death:
    """Counts what the worker does, and ends it at the appointed place, or stops it there with `sign` SIGSTOP."""

    line: int = 0
    step: int = 0
    before: bool = False
    sign: int = signal.SIGKILL
    lines: int = 0
    steps: int = 0

    def watch(self, _frame: FrameType, event: str, _argument: Any) -> "Line | None":
        """For sys.settrace: every line of the house, and nobody else's."""
        if event == "call" and not _frame.f_code.co_filename.startswith(_HOUSE):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.line:
                self._die()
        return self.watch

    def around(self, call: Callable[[], T]) -> T:
        """One statement, commit or request."""
        self.steps += 1
        own = self.steps
        if own == self.step and self.before:
            self._die()
        answer = call()
        if own == self.step and not self.before:
            self._die()
        return answer

    def _die(self) -> None:
        os.kill(os.getpid(), self.sign)


class SteppedDatabase(Database):
    """A Database whose messages are steps."""

    def __init__(self, url: str, death: Death) -> None:
        super().__init__(url)
        self._death = death

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        return self._death.around(lambda: super(SteppedDatabase, self)._send(sql, **more))


def serve(work: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Until standard input ends. `work` is done by a child; what it returns is answered."""
    logger().setLevel("CRITICAL")
    reports: dict[int, int] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer: object = _end_of(order["wait"], reports)
        else:
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(reading)
                # The pipe is for answers: what the worker logs and counts is nobody's here.
                os.dup2(os.open(os.devnull, os.O_RDWR), sys.stdout.fileno())
                code = 1
                try:
                    random.seed()
                    os.write(writing, json.dumps(work(order)).encode())
                    code = 0
                finally:
                    os._exit(code)
            os.close(writing)
            reports[pid], answer = reading, pid
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _end_of(pid: int, reports: dict[int, int]) -> dict[str, Any]:
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return {"stopped": True}
    answered = os.read(reports[pid], 10_000)
    os.close(reports.pop(pid))
    ended = {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, "code": status >> 8}
    return ended | (json.loads(answered) if answered else {"lines": None, "steps": None})
