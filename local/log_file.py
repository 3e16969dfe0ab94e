"""Where the log of the local stack goes: into a file, so that what a command prints can be read."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from crm_relay.platform.logging import logger


@contextmanager
def log_to(path: Path, settings: Mapping[str, str]) -> Iterator[None]:
    """The functions' log from now on, one JSON object a line, at LOG_LEVEL or INFO; the file begins empty.

    The stack's own errors, such as a schedule whose function failed, are between them.
    """
    handler, level = logger().registered_handler, logger().log_level
    if not isinstance(handler, logging.StreamHandler):
        yield
        return
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        path.chmod(0o600)
        # The logger was made before the stack's settings were known, and keeps the level that it had then.
        logger().setLevel(settings.get("LOG_LEVEL") or "INFO")
        before, handler.stream = handler.stream, file
        of_stack = logging.StreamHandler(file)
        logging.getLogger("local").addHandler(of_stack)
        try:
            yield
        finally:
            logging.getLogger("local").removeHandler(of_stack)
            handler.stream = before
            logger().setLevel(level)
