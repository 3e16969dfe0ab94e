"""The whole bundle on one laptop: Postgres, moto, simulators, the HTTP edge, queues and schedules."""

import json
import os
import secrets
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from crm_relay.platform.database import Database
from crm_relay.platform.migrations import migrate, read_migrations
from local.aws.edge import Edge
from local.aws.local_aws import LocalAws
from local.aws.queues import QueuePoller
from local.aws.scheduler import Scheduler
from local.aws.streams import StreamPoller
from local.log_file import log_to
from local.postgres import EmbeddedPostgres
from local.simulated import OPERATORS, Simulated
from local.template.template import SamTemplate
from local.until_signal import Stopped

ROOT = Path(__file__).parent.parent
STACK_FILE = Path(os.environ.get("CRM_RELAY_STACK_FILE") or ROOT / "build" / "stack.json")
LOG_FILE = STACK_FILE.with_suffix(".log")
RECORDED_SECRET = "lab-webhook-secret"
"""The secret with which the recorded webhooks in events/ are signed."""


@dataclass
class Stack:
    """Everything that runs; `environment` is what the functions see. `settings` are the operator's, and they win."""

    settings: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    template: SamTemplate = field(default_factory=lambda: SamTemplate.read(ROOT / "template.yaml"))
    environment: dict[str, str] = field(default_factory=dict)
    database_url: str = ""
    simulated: Simulated = field(default_factory=Simulated)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Stack":
        try:
            self._start()
        except BaseException:
            self._open.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def _start(self) -> None:
        self.environment["POWERTOOLS_METRICS_DISABLED"] = "true"
        self.environment |= {"ADMIN_TOKEN": secrets.token_urlsafe(24), "MAUTIC_WEBHOOK_SECRET": self._webhook_secrets()}
        self.environment["UNSUBSCRIBE_LINK_KEY"] = secrets.token_urlsafe(24)
        self.environment["CONNECTION_KEY"] = self.connection_key
        self._start_postgres()
        self.environment |= self.simulated.start(self.settings, self._open)
        aws = LocalAws.start(self.template)
        self._open.callback(aws.stop)
        self.environment = aws.environment | self.environment | {k: v for k, v in self.settings.items() if v}
        # Every function reads the process's environment, as it does in Lambda; a secret of AWS's is not needed here.
        self.environment.pop("CRM_RELAY_SECRET_ID", None)
        os.environ.update(self.environment)
        self._open.enter_context(log_to(LOG_FILE, self.settings))
        self.edge = Edge(self.template)
        self.edge.start()
        self._open.push(lambda kind, _error, _trace: self.edge.stop(waits=kind is not Stopped))
        os.environ["PUBLIC_URL"] = self.environment.setdefault("PUBLIC_URL", self.edge.base_url)
        self.scheduler = Scheduler(self.template, self.edge.invoke)
        self.queues = QueuePoller(self.template, aws, self.edge.invoke, visibility_seconds=5)
        self.streams = StreamPoller(self.template, aws, self.edge.invoke)
        self.simulated.connect(self.environment, self.edge.base_url)
        self.aws_endpoint_url = aws.endpoint_url

    def start_background(self) -> None:
        """Let the queues and the schedules run by themselves."""
        self.queues.start()
        self._open.callback(self.queues.stop)
        self.streams.start()
        self._open.callback(self.streams.stop)
        self.scheduler.start()
        self._open.callback(self.scheduler.stop)

    def write_file(self) -> None:
        """Tell other programs where everything is; the file goes when the stack goes."""
        STACK_FILE.parent.mkdir(exist_ok=True)
        STACK_FILE.write_text(json.dumps(self.description, indent=2))
        STACK_FILE.chmod(0o600)
        self._open.callback(STACK_FILE.unlink, missing_ok=True)

    @property
    def description(self) -> dict[str, object]:
        """The contents of build/stack.json."""
        return {
            "base_url": self.edge.base_url,
            "database_url": self.database_url,
            "owns_database": not self.settings.get("DATABASE_URL"),
            "aws_endpoint_url": self.aws_endpoint_url,
            "admin_token": self.environment["ADMIN_TOKEN"],
            "simulators": self.simulated.urls,
            "pid": os.getpid(),
            "environment": {name: value for name, value in self.environment.items() if name not in os_names()},
        }

    @property
    def connection_key(self) -> str:
        """Stays as long as the data of the stack."""
        return f"file:{ROOT / '.stack' / 'connection.key'}"

    def _webhook_secrets(self) -> str:
        return f"{secrets.token_urlsafe(24)},{RECORDED_SECRET}"

    def _start_postgres(self) -> None:
        if self.settings.get("DATABASE_URL"):
            self.database_url = self.settings["DATABASE_URL"]
            return
        server = EmbeddedPostgres.start()
        self._open.push(lambda kind, _error, _trace: server.stop(at_once=kind is Stopped))
        server.execute("create database crm")
        self.database_url = server.url("crm")
        database = Database(self.database_url)
        migrate(database, read_migrations(ROOT / "migrations"))
        # The functions log in as they should in production: as crm_relay, not as the superuser.
        password = secrets.token_hex(16)
        database.run_script(f"alter role crm_relay password '{password}'")
        database.close()
        netloc = f"crm_relay:{password}@127.0.0.1:{server.port}"
        self.environment["DATABASE_URL"] = urlsplit(self.database_url)._replace(netloc=netloc).geturl()
        self.environment["MIGRATION_DATABASE_URL"] = self.database_url


def os_names() -> frozenset[str]:
    """Variables of the process that are nobody's setting: not written to the stack's file."""
    return _NAMES_AT_START


_NAMES_AT_START = frozenset(name for name in os.environ if not name.startswith(OPERATORS))


def read_env_file(path: Path) -> dict[str, str]:
    """NAME=value lines; empty lines and lines that begin with # count for nothing, one pair of quotes is taken off."""
    settings = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            settings[name.removeprefix("export ").strip()] = value[1:-1] if quoted else value
    return settings


def running_stack() -> dict[str, object] | None:
    """What build/stack.json says, where its process still lives."""
    try:
        description: dict[str, object] = json.loads(STACK_FILE.read_text())
        os.kill(int(str(description["pid"])), 0)
    except (OSError, ValueError, KeyError):
        return None
    return description
