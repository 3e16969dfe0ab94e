"""What a piece of code said, to the log and beside it."""

import contextlib
import io
import logging
from collections.abc import Callable, Iterator


class _Listener(logging.Handler):
    """Keeps every record whole: the structured fields as well as the message and the traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self.said.append(f"{record.__dict__} {record.getMessage()} {trace}")


@contextlib.contextmanager
def listening() -> Iterator[Callable[[], str]]:
    """Everything that was logged or printed, when asked for it."""
    listener, printed = _Listener(), io.StringIO()
    logging.getLogger().addHandler(listener)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield lambda: "\n".join([*listener.said, printed.getvalue()])
    finally:
        logging.getLogger().removeHandler(listener)


@contextlib.contextmanager
def quiet_about(text: str) -> Iterator[None]:
    """Fails where `text` was logged or printed meanwhile."""
    with listening() as said:
        yield
    assert text not in said()
