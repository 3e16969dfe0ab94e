"""Looks at an installation from the operator's chair: what is set, what answers, what waits."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from cli.console import DatabaseSettings
from cli.doctor.bison import examine_bison
from cli.doctor.campaigns import examine_campaigns, examine_lines, examine_organizations, examine_sending
from cli.doctor.checks import Check, safely
from cli.doctor.connections import examine_accounts, examine_connections
from cli.doctor.mautic import examine_mautic
from cli.doctor.secrets import examine_secrets
from crm_relay.installation.installation import install
from crm_relay.operations.rooms import LeftOutRooms
from crm_relay.platform.aws.queue import aws_client
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError
from crm_relay.platform.fence.clone_fence import is_armed
from crm_relay.platform.migrations import migrate, read_migrations
from crm_relay.platform.settings import SettingsModel, read_settings
from crm_relay.platform.sql import parse_queries
from local.stack_file import ROOT
from mautic_sync.settings import Settings as SyncSettings
from mautic_webhook.settings import Settings as WebhookSettings
from resend_webhook.settings import Settings as ResendSettings

_SQL = parse_queries((ROOT / "cli" / "doctor" / "doctor.sql").read_text(encoding="utf-8"))
_MOST_SKEW_SECONDS = 5.0
_MAUTIC_MENDS = "crm-relay init asks for them, and LEFT_OUT_ROOMS=mautic does without"
_WEBHOOKS_MEND = "the template sets what is in AWS, and on a laptop make up does"
S = TypeVar("S", bound=SettingsModel)


class RoomSettings(SettingsModel):
    """What the installation does without."""

    left_out_rooms: LeftOutRooms = ()


def examine() -> list[Check]:
    """Every check, in the order in which one depends on another; what cannot be reached stops only its own.

    A capability whose settings are missing is a check that went wrong, with what mends it; the others are looked at.
    """
    try:
        left_out = read_settings(RoomSettings).left_out_rooms
    except FatalError as error:
        return [Check("settings", "wrong", str(error))]
    lacks: list[Check] = []
    sync = None if "mautic" in left_out else _settings_of("mautic", SyncSettings, _MAUTIC_MENDS, lacks)
    webhook = _settings_of("webhooks", WebhookSettings, _WEBHOOKS_MEND, lacks)
    try:
        database = install(DatabaseSettings, database_seconds=10.0).database
    except FatalError as error:
        return [Check("settings", "wrong", next((each.found for each in lacks), str(error)))]
    checks = lacks or [Check("settings", "good", "complete")]
    for what, look in (
        ("database", lambda: _database(database)),
        ("migrations", _migrations),
        ("data", lambda: _data(database, has_mautic=sync is not None)),
        ("secrets", examine_secrets),
    ):
        checks += safely(what, look)
    if webhook is not None:
        checks += _aws_of(webhook)
    checks += [Check(room, "good", "left out") for room in left_out]
    if sync is not None:
        mautic = install(SyncSettings, database_seconds=10.0, request_seconds=20.0).mautic
        secrets = () if webhook is None else webhook.mautic_webhook_secret
        checks += safely("mautic", lambda: examine_mautic(mautic, secrets))
        checks += safely("webhook secret", lambda: _secret(secrets))
    return checks + _of_rooms(database, left_out)


def _settings_of(capability: str, kind: type[S], mends: str, lacks: list[Check]) -> S | None:
    """None where they are not complete, which is added to what the installation lacks."""
    try:
        return read_settings(kind)
    except FatalError as error:
        lacks.append(Check(f"{capability} settings", "wrong", f"{error}; {mends}"))
        return None


def _aws_of(webhook: WebhookSettings) -> list[Check]:
    return [
        *safely("queue", lambda: _aws("sqs", "get_queue_attributes", QueueUrl=webhook.deferred_queue_url)),
        *safely("bucket", lambda: _aws("s3", "head_bucket", Bucket=webhook.oversize_bucket)),
        *safely("table", lambda: _aws("dynamodb", "describe_table", TableName=webhook.coordination_table)),
    ]


def _of_rooms(database: Database, left_out: Sequence[str]) -> list[Check]:
    checks: list[Check] = []
    if "campaigns" not in left_out:
        checks += safely("resend webhook secret", _resend_secret)
        checks += safely("organizations", lambda: examine_organizations(database))
        checks += safely("campaigns", lambda: examine_campaigns(database))
        checks += safely("sending", lambda: examine_sending(database))
        checks += safely("steps that wait", lambda: examine_lines(database))
    if "connections" not in left_out:
        checks += safely("connections", examine_connections)
        checks += safely("connected accounts", lambda: examine_accounts(database))
    if "emailbison" not in left_out:
        checks += safely("emailbison", lambda: iter(examine_bison()))
    return checks


def _database(database: Database) -> Iterator[Check]:
    server = database.run(_SQL["server"])[0]
    yield Check("database", "good", f"PostgreSQL {server['version']} as {server['role']}")
    if server["is_superuser"]:
        yield Check("database role", "worth a look", "a superuser: log in as crm_relay")
    skew = abs((utc_now() - server["now"]).total_seconds())
    yield Check("clocks", "good" if skew < _MOST_SKEW_SECONDS else "wrong", f"{skew:.1f} s apart")
    armed = is_armed(database)
    yield Check("clone fence", "good" if armed else "wrong", "armed" if armed else "a copy: run crm-relay arm")
    open_tables = [row["name"] for row in database.run(_SQL["tables_without_row_security"])]
    yield Check("row security", "worth a look" if open_tables else "good", ", ".join(open_tables) or "on every table")


class _MigrationSettings(SettingsModel):
    migration_database_url: str | None = None
    database_ca_file: str | None = None


def _migrations() -> Iterator[Check]:
    # The functions' own role need not see the bookkeeping.
    settings = read_settings(_MigrationSettings)
    if settings.migration_database_url is None:
        yield Check("migrations", "worth a look", "MIGRATION_DATABASE_URL is not set: not looked at")
        return
    database = Database(settings.migration_database_url, ca_file=settings.database_ca_file)
    missing = migrate(database, read_migrations(ROOT / "migrations"), dry_run=True)
    found = f"missing: {', '.join(missing)}" if missing else "all applied"
    yield Check("migrations", "wrong" if missing else "good", found)


def _data(database: Database, *, has_mautic: bool) -> Iterator[Check]:
    row = database.run(_SQL["waiting"])[0]
    yield Check("deliveries not applied", "wrong" if row["unapplied"] else "good", str(row["unapplied"]))
    yield Check("failed tasks", "wrong" if row["failed"] else "good", str(row["failed"]))
    if not has_mautic:
        return
    yield Check("customers with an error", "worth a look" if row["errors"] else "good", str(row["errors"]))
    yield Check("customers to be sent", "good", str(row["dirty"]))
    yield Check("last Mautic sync", "good" if row["last_run"] else "worth a look", str(row["last_run"] or "never"))


def _aws(service: str, operation: str, **arguments: str) -> Iterator[Check]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        getattr(aws_client(service), operation)(**arguments)
    except ClientError as error:
        yield Check(service, "wrong", str(error.response.get("Error", {}).get("Code")))
    except BotoCoreError as error:
        yield Check(service, "wrong", type(error).__name__)
    else:
        yield Check(service, "good", "answers")


def _secret(secrets: Sequence[str]) -> Iterator[Check]:
    count = len(secrets)
    yield Check(
        "webhook secret", "good" if count else "wrong", f"{count} valid" if count else "none: every webhook is refused"
    )


def _resend_secret() -> Iterator[Check]:
    count = len(read_settings(ResendSettings).resend_webhook_secret)
    found = f"{count} valid" if count else "none: every webhook of Resend is refused"
    yield Check("resend webhook secret", "good" if count else "worth a look", found)
