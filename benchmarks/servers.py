"""The servers that benchmarks share: each starts on first use and ends with the run."""

import itertools
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from crm_relay.platform.database import Database
from crm_relay.platform.migrations import migrate, read_migrations
from local.aws.local_aws import LocalAws
from local.postgres import EmbeddedPostgres
from local.template.template import SamTemplate

ROOT = Path(__file__).parents[1]
_TEMPLATE = "bench_template"
_SLOWEST_STATEMENT_SECONDS = 120.0


@dataclass(frozen=True)
class Login:
    """One database: as its owner, who fills it, and as the functions log in, under row security."""

    owner_url: str
    url: str

    @contextmanager
    def as_owner(self) -> Iterator[Database]:
        """For what is not measured."""
        database = Database(self.owner_url, timeout=_SLOWEST_STATEMENT_SECONDS)
        try:
            yield database
        finally:
            database.close()


@dataclass
class Servers:
    """PostgreSQL as safe as in production (fsync on), and moto."""

    template: SamTemplate = field(default_factory=lambda: SamTemplate.read(ROOT / "template.yaml"))
    _password: str = field(default_factory=lambda: secrets.token_hex(16))
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Servers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @cached_property
    def postgres(self) -> EmbeddedPostgres:
        """With a migrated database to clone and a password for the functions' role."""
        server = EmbeddedPostgres.start(durable=True)
        self._open.callback(server.stop)
        server.execute(f"create database {_TEMPLATE}")
        with Login(server.url(_TEMPLATE), "").as_owner() as database:
            migrate(database, read_migrations(ROOT / "migrations"))
        server.execute(f"alter role crm_relay password '{self._password}'")
        return server

    @cached_property
    def aws(self) -> LocalAws:
        """Everything that the template's functions ask AWS for."""
        aws = LocalAws.start(self.template)
        self._open.callback(aws.stop)
        return aws

    @contextmanager
    def database(self) -> Iterator[Login]:
        """A new database with the whole schema and no rows."""
        name = f"bench_{next(self._numbers)}"
        self.postgres.execute(f"create database {name} template {_TEMPLATE}")
        owner_url = self.postgres.url(name)
        netloc = f"crm_relay:{self._password}@127.0.0.1:{self.postgres.port}"
        try:
            yield Login(owner_url, urlsplit(owner_url)._replace(netloc=netloc).geturl())
        finally:
            self.postgres.execute(f"drop database {name} with (force)")
