"""The whole bundle on one laptop: Postgres, moto, simulators, the HTTP edge, queues and schedules."""

import json
import logging
import os
import secrets
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from crm_relay.customers.audit import audit_everybody, repair
from crm_relay.installation.installation import install
from crm_relay.platform.clock import utc_now
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
from local.stack_file import ROOT, STACK_FILE, STACK_FOLDER
from local.stack_folder import StackFolder
from local.template.template import SamTemplate
from local.until_signal import Stopped
from mautic_sync.settings import Settings as SyncSettings

LOG_FILE = STACK_FILE.with_suffix(".log")
RECORDED_SECRET = "lab-webhook-secret"
"""The secret with which the recorded webhooks in events/ are signed."""
logger = logging.getLogger(__name__)


@dataclass
class Stack:
    """Everything that runs; `environment` is what the functions see. `settings` are the operator's, and they win.

    `folder` keeps data and secrets; None: they go with the stack. Port 0 takes a free one.
    """

    settings: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    folder: StackFolder | None = None
    port: int = 0
    log: Path = LOG_FILE
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
        for name in ("ADMIN_TOKEN", "MAUTIC_WEBHOOK_SECRET", "UNSUBSCRIBE_LINK_KEY"):
            self.environment[name] = self._secret(name)
        self.environment["MAUTIC_WEBHOOK_SECRET"] += f",{RECORDED_SECRET}"
        self.environment["CONNECTION_KEY"] = (self.folder or STACK_FOLDER).connection_key
        self.starts_before = self.folder.next_start() if self.folder is not None else 0
        self._start_postgres()
        self.environment |= self.simulated.start(self.settings, self._open, starts_before=self.starts_before)
        aws = LocalAws.start(self.template)
        self._open.callback(aws.stop)
        self.environment = aws.environment | self.environment | {k: v for k, v in self.settings.items() if v}
        # Every function reads the process's environment, as it does in Lambda; a secret of AWS's is not needed here.
        self.environment.pop("CRM_RELAY_SECRET_ID", None)
        os.environ.update(self.environment)
        self._open.enter_context(log_to(self.log, self.settings))
        self.edge = Edge(self.template, port=self.port)
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

    def fill_again(self) -> None:
        """Give what begins empty the rows that the database has kept: the edge cache and the simulated Mautic."""
        if self.starts_before:
            threading.Thread(target=self._fill_again, name="fill again", daemon=True).start()

    def _fill_again(self) -> None:
        try:
            self.edge.invoke("cache_sync", {"direction": "resync"})
            if self.simulated.mautic is not None:
                fill_mautic_again()
                self.edge.invoke("mautic_sync", {})
        except Exception:
            logger.exception("what begins empty was not filled again")

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

    def _secret(self, name: str) -> str:
        return secrets.token_urlsafe(24) if self.folder is None else self.folder.secret(name)

    def _start_postgres(self) -> None:
        if self.settings.get("DATABASE_URL"):
            self.database_url = self.settings["DATABASE_URL"]
            return
        server = EmbeddedPostgres.start() if self.folder is None else EmbeddedPostgres.open(self.folder.postgres)
        self._open.push(lambda kind, _error, _trace: server.stop(at_once=kind is Stopped))
        found = prepare_database(server)
        self.database_url = found["MIGRATION_DATABASE_URL"]
        self.environment |= found


def prepare_database(server: EmbeddedPostgres) -> dict[str, str]:
    """The CRM's database, migrated; the settings by which it is found, by the functions' role and by its owner."""
    server.ensure_database("crm")
    url = server.url("crm")
    database = Database(url)
    migrate(database, read_migrations(ROOT / "migrations"))
    # The functions log in as they should in production: as crm_relay, not as the superuser.
    password = secrets.token_hex(16)
    database.run_script(f"alter role crm_relay password '{password}'")
    database.close()
    netloc = f"crm_relay:{password}@127.0.0.1:{server.port}"
    return {"DATABASE_URL": urlsplit(url)._replace(netloc=netloc).geturl(), "MIGRATION_DATABASE_URL": url}


def fill_mautic_again() -> None:
    """Have the next sync write every contact that is not in Mautic, by the settings of the environment."""
    installation = install(SyncSettings)
    now = utc_now()
    repair(installation.database, audit_everybody(installation.database, installation.mautic, now), now)
    installation.close()


def os_names() -> frozenset[str]:
    """Variables of the process that are nobody's setting: not written to the stack's file."""
    return _NAMES_AT_START


_NAMES_AT_START = frozenset(name for name in os.environ if not name.startswith(OPERATORS))
