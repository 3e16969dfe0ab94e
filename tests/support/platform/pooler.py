"""A real PgBouncer in transaction mode before a PostgreSQL, with fewer server connections than clients."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import pytest

from local.postgres import free_port

_STARTUP_SECONDS = 5
_SERVER_CONNECTIONS = 3


def find_pgbouncer() -> str:
    """Its path; without it the test is skipped on a laptop and fails in CI, where nobody reads what was skipped."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("pgbouncer is missing: apt-get install pgbouncer")
    if found is None:
        pytest.skip("pgbouncer is not installed: transaction pooling stays unproven here")
    return found


class Pooler:
    """`url` leads to the same database as before, by way of the pooler."""

    def __init__(self, url: str, folder: Path, *, server_connections: int = _SERVER_CONNECTIONS) -> None:
        self._server_connections = server_connections
        self._target, self._folder, self._port = urlsplit(url), folder, free_port()
        login, _, _ = self._target.netloc.rpartition("@")
        self.url = self._target._replace(netloc=f"{login}@127.0.0.1:{self._port}").geturl()

    def __enter__(self) -> "Pooler":
        command = [find_pgbouncer(), str(self._write_configuration())]
        if os.geteuid() == 0:
            # It refuses to run as root, as PostgreSQL does.
            command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", *command]
        with (self._folder / "pgbouncer.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait_until_it_listens()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # SIGTERM may wait for clients, depending on the version; there is nothing here to be kind to.
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _write_configuration(self) -> Path:
        users, configuration = self._folder / "users.txt", self._folder / "pgbouncer.ini"
        users.write_text(f'"{self._target.username}" "{self._target.password}"\n')
        configuration.write_text(
            f"""[databases]
                * = host=127.0.0.1 port={self._target.port}
                [pgbouncer]
                listen_addr = 127.0.0.1
                listen_port = {self._port}
                unix_socket_dir =
                auth_type = scram-sha-256
                auth_file = {users}
                pool_mode = transaction
                default_pool_size = {self._server_connections}
                max_client_conn = 100
            """.replace("                ", "")
        )
        return configuration

    def _wait_until_it_listens(self) -> None:
        until = time.monotonic() + _STARTUP_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((self._folder / "pgbouncer.log").read_text()) from None
                time.sleep(0.02)
