"""crm-relay doctor."""

from dataclasses import asdict

from cli.console import FOUND, GOOD, AsJson, DatabaseSettings, EnvFile, reports_errors, show, use_settings
from cli.doctor.examine import examine
from crm_relay.platform.settings import read_settings


@reports_errors
def doctor(env_file: EnvFile = None, as_json: AsJson = False) -> int:
    """Check settings, database, queues, Mautic, and every workspace of EmailBison.

    Exit status 1: something is wrong.
    """
    use_settings(env_file)
    read_settings(DatabaseSettings)
    checks = examine()
    show([asdict(each) for each in checks], as_json, "Doctor")
    return FOUND if any(each.verdict == "wrong" for each in checks) else GOOD
