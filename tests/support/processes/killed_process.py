"""A process that is killed at a chosen step; `sudden_death` plays the same within one process."""

import os
import signal

from crm_relay.platform.http.http_client import Answer, HttpClient


class Killer:
    """Counts the steps of a run and ends the process, as SIGKILL does, before or after the chosen one."""

    def __init__(self, step: int, *, before: bool) -> None:
        self._step, self._before, self._taken = step, before, 0

    def __call__(self, *, before: bool) -> None:
        self._taken += before
        if self._taken == self._step and before == self._before:
            os.kill(os.getpid(), signal.SIGKILL)


class KilledHttp(HttpClient):
    """An HttpClient whose requests are steps."""

    killer: Killer

    def send(self, *arguments: object, **more: object) -> Answer:
        self.killer(before=True)
        answer = super().send(*arguments, **more)  # type: ignore[arg-type]
        self.killer(before=False)
        return answer
