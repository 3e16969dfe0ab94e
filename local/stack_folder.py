"""What a local stack keeps from one start to the next, for one stack at a time."""

import contextlib
import fcntl
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crm_relay.platform.errors import FatalError


@dataclass(frozen=True)
class StackFolder:
    """`path` holds the database, secrets and the key of connections; nothing of it leaves the laptop."""

    path: Path

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def is_empty(self) -> bool:
        """Whether no stack has run here since the last reset."""
        return not self.postgres.exists()

    @property
    def connection_key(self) -> str:
        """Encrypts the tokens that the database holds, so it stays as long as these."""
        return f"file:{self.path / 'connection.key'}"

    def secret(self, name: str) -> str:
        """Made once: links in mails and bookmarks stay good. Raises FatalError where the file was damaged."""
        kept = self._read()
        if name not in kept:
            kept[name] = secrets.token_urlsafe(24)
            self._write(kept)
        return str(kept[name])

    def next_start(self) -> int:
        """How often the stack has been started here before."""
        kept = self._read()
        before = int(kept.get("starts", 0))
        self._write({**kept, "starts": before + 1})
        return before

    def clear(self) -> None:
        """Remove everything; safe to repeat."""
        if self.path.exists():
            shutil.rmtree(self.path)

    @property
    def _file(self) -> Path:
        return self.path / "kept.json"

    def _read(self) -> dict[str, str | int]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise FatalError(f"{self._file} is damaged: remove it, or everything by make reset")
        return found

    def _write(self, kept: dict[str, str | int]) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = self._file.with_suffix(".unfinished")
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(kept, indent=2), encoding="utf-8")
        unfinished.replace(self._file)


@contextmanager
def one_at_a_time(stack_file: Path) -> Iterator[None]:
    """Held while a stack runs, by the kernel, so that a process which is killed leaves nothing behind.

    Raises FatalError, which says where the other one is.
    """
    stack_file.parent.mkdir(parents=True, exist_ok=True)
    with stack_file.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FatalError(_refusal(stack_file)) from None
        # Left by one that was killed.
        stack_file.unlink(missing_ok=True)
        yield


def _refusal(stack_file: Path) -> str:
    """The other one has no file yet while it starts."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        other = json.loads(stack_file.read_text(encoding="utf-8"))
        return f"a stack runs already, at {other['base_url']} (process {other['pid']}): stop it with Ctrl-C first"
    return "another stack is starting or stopping: try again in a moment"
