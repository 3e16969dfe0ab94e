"""What a cold start may import: an environment that has not been asked for anything pays for nothing else."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.source_tree import ROOT

FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))

# Slow to import, or of a part of the house that most functions have nothing to do with.
WATCHED = (
    "asn1crypto.x509",
    "boto3",
    "jinja2",
    "requests",
    *(
        f"crm_relay.{room}"
        for room in ("campaigns", "connections", "customers", "edge_cache", "engagement", "integrity", "mail")
    ),
    *(
        f"crm_relay.{room}"
        for room in ("notifications", "operations", "outreach", "webhooks", "incidents.channels", "platform.migrations")
    ),
    *(f"crm_relay.providers.{name}.client" for name in ("bison", "mautic", "resend", "slack", "twilio")),
)

# Function -> what of it its handler and wiring may import before the first request.
ALLOWED = {
    "admin_api": {
        "campaigns",
        "connections",
        "edge_cache",
        "integrity",
        "mail",
        "notifications",
        "operations",
        "webhooks",
    },
    "approvals": {"mail", "notifications", "workflows"},
    "bison_poll": {"outreach", "providers.bison.client", "requests"},
    "bison_webhook": {"outreach", "webhooks"},
    "cache_digest": {"edge_cache"},
    "cache_sync": {"edge_cache"},
    "campaign_cron": {"campaigns", "mail"},
    "integrity_check": {"campaigns", "edge_cache", "integrity", "mail", "operations", "outreach"},
    "mautic_sync": {"customers", "engagement", "operations", "providers.mautic.client", "requests", "webhooks"},
    "mautic_webhook": {"customers", "engagement", "webhooks"},
    "mailchimp_webhook": {"connections", "webhooks"},
    "migrate": {"platform.migrations"},
    "notification_cron": {"mail", "notifications"},
    "workflow_cron": {"mail", "notifications", "workflows"},
    "integration_sync": {"connections", "mail", "requests"},
    "provider_report": {"outreach"},
    "resend_webhook": {"campaigns", "mail", "webhooks"},
    "unsubscribe": {"campaigns", "mail", "notifications", "webhooks"},
    "watchdog": {"operations"},
    "webhook_replay": {
        "connections",
        "campaigns",
        "customers",
        "engagement",
        "mail",
        "notifications",
        "outreach",
        "webhooks",
    },
}

SETTINGS = {
    "DATABASE_URL": "postgresql://crm@127.0.0.1:9/crm",
    "DEFERRED_QUEUE_URL": "http://127.0.0.1:9/deferred",
    "OVERSIZE_BUCKET": "oversize",
    "COORDINATION_TABLE": "coordination",
    "CONNECTION_KEY": "alias/connections",
    "EDGE_CACHE_TABLE": "edge",
    "WATCHED_SCHEDULES": "integrity_check.EveryHour=150",
    "ALERT_SLACK_WEBHOOK_URL": "http://127.0.0.1:9/slack",
    "ALERT_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:alerts",
}

START = """
import importlib, json, sys
name, watched = sys.argv[1], json.loads(sys.argv[2])
importlib.import_module(f"{name}.handler")
wiring = importlib.import_module(f"{name}.wiring")
# Called by hand, and wired anew each time.
if name != "migrate":
    (getattr(wiring, "dependencies", None) or wiring.installation)()
print(json.dumps([module for module in watched if module in sys.modules]))
"""


def imported_by(function: str) -> set[str]:
    """Of the watched modules, in a process of its own."""
    command = [sys.executable, "-c", START, function, json.dumps(WATCHED)]
    environment = os.environ | SETTINGS | {"PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT / 'functions'}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT / "functions")
    assert done.returncode == 0, done.stderr
    return {module.removeprefix("crm_relay.") for module in json.loads(done.stdout)}


def test_every_function_has_its_line() -> None:
    assert sorted(ALLOWED) == FUNCTIONS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_cold_start_imports_only_what_the_function_needs(function: str) -> None:
    superfluous = imported_by(function) - ALLOWED[function]
    assert not superfluous, f"import it where it is used, as Installation does: {', '.join(sorted(superfluous))}"
