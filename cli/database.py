"""crm-relay migrate and arm: the database is of this version, and in the right place."""

from dataclasses import asdict

from cli.console import FOUND, GOOD, AsJson, DatabaseSettings, DryRun, EnvFile, reports_errors, show, use_settings
from cli.uninstall.owner import open_as_owner
from crm_relay.platform.database import Database
from crm_relay.platform.fence.clone_fence import arm, is_armed
from crm_relay.platform.migrations import migrate as apply_migrations
from crm_relay.platform.migrations import read_migrations
from crm_relay.platform.settings import read_settings
from local.stack_file import ROOT


@reports_errors
def migrate(dry_run: DryRun = False, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Apply the migrations that are missing.

    With --dry-run, exit status 1 means that some are missing.
    """
    use_settings(env_file)
    with open_as_owner() as database:
        names = apply_migrations(database, read_migrations(ROOT / "migrations"), dry_run=dry_run)
    show({"missing" if dry_run else "applied": names or "nothing"}, as_json, "Migrations")
    return FOUND if dry_run and names else GOOD


@reports_errors
def arm_installation(dry_run: DryRun = False, env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Let this installation act: say that its database is in the right place.

    Needed after a restore or a copy into another project or server; until then nothing is sent, muted or posted. With
    --dry-run, exit status 1 means that it is not armed.
    """
    use_settings(env_file)
    settings = read_settings(DatabaseSettings)
    database = Database(settings.database_url, ca_file=settings.database_ca_file)
    if dry_run:
        armed = is_armed(database)
        show({"armed": armed}, as_json, "Clone fence")
        return GOOD if armed else FOUND
    show({"armed": True} | asdict(arm(database)), as_json, "Clone fence")
    return GOOD
