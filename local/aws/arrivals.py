"""Says when a queue or a stream of moto gets something, so that nobody has to ask it all the time."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from moto.dynamodb.models.table import StreamShard
from moto.sqs.models import Queue, sqs_backends

from local.template.template import ACCOUNT, REGION


class Arrivals:
    """Counts what arrives anywhere in this process's moto, and wakes those who wait for more."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._number = 0

    @property
    def number(self) -> int:
        """How many there were; read it before looking, and give it to `wait_past` after having found nothing."""
        return self._number

    def note(self, times: int = 1) -> None:
        """Something arrived; with 0 those who wait look up for another reason."""
        with self._changed:
            self._number += times
            self._changed.notify_all()

    def wait_past(self, number: int, seconds: float, stopping: threading.Event) -> None:
        """Until more than `number` have arrived, `stopping` is set and noted, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._number != number or stopping.is_set(), seconds)


ARRIVALS = Arrivals()


def watch_moto() -> None:
    """Have moto note what arrives; safe to call again.

    It also numbers changes of a table one by one: it counts those before, which writes at one time do at one time.
    """
    if not hasattr(Queue.add_message, "is_watched"):
        _watch(Queue, "add_message")
        _watch(StreamShard, "add")


def holds_messages(queue_url: str) -> bool:
    """Also ones that are delayed or out with a consumer: they become visible by the clock, without arriving."""
    queue = sqs_backends[ACCOUNT][REGION].queues.get(queue_url.rpartition("/")[2])
    return queue is not None and any(
        (
            queue.approximate_number_of_messages,
            queue.approximate_number_of_messages_delayed,
            queue.approximate_number_of_messages_not_visible,
        )
    )


def _watch(kind: type, method: str) -> None:
    add: Callable[..., Any] = getattr(kind, method)
    one_by_one = threading.Lock()

    @wraps(add)
    def added(*arguments: Any, **named: Any) -> Any:
        with one_by_one:
            result = add(*arguments, **named)
        ARRIVALS.note()
        return result

    added.is_watched = True  # type: ignore[attr-defined]
    setattr(kind, method, added)
