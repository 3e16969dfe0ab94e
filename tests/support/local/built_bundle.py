"""Settings of a deployment whose functions are built, and sample events that are good for them."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from cli.samples.links import sample_link
from cli.samples.outcomes import EVENTS
from cli.samples.prepare import SampleSettings, prepare_sample
from crm_relay.platform.aws.secret_groups import secret_name
from crm_relay.platform.clock import utc_now
from crm_relay.platform.database import Database
from crm_relay.platform.settings import SECRET_ID, read_settings
from local.aws.local_aws import LocalAws
from local.simulated import SAMPLE_TOKEN
from local.simulators.bison import BisonSimulator
from local.simulators.resend.state import new_secret
from local.template.secrets import secret_variables, split_by_secret
from local.template.template import SamTemplate
from tests.support.source_tree import ROOT

TEMPLATE = SamTemplate.read(ROOT / "template.yaml")
SECRET_BASE = "SECRET_BASE_OF_THIS_TEST"
"""In the environment of a test: what its secrets are called first. A function gets those that the template names."""
LINK_KEY = "a-key-of-links-with-32-characters"
SECRET = {
    "MAUTIC_CLIENT_ID": "crm-relay",
    "MAUTIC_CLIENT_SECRET": "simulator-secret",
    "MAUTIC_WEBHOOK_SECRET": "a-secret-of-this-test,another-one-of-it",
    "MAILCHIMP_WEBHOOK_KEY": "a-key-of-mailchimp-for-this-test",
    "MAILCHIMP_SIGNING_SECRETS": "a-signing-secret-of-this-test",
    "RESEND_WEBHOOK_SECRET": new_secret(),
    "UNSUBSCRIBE_LINK_KEY": LINK_KEY,
    "AIRTABLE_CLIENT_ID": "an-integration",
    "ADMIN_TOKEN": "an-admin-token-of-this-test-only",
}


def with_bison(environment: dict[str, str], bison: BisonSimulator) -> dict[str, str]:
    """Its settings, which in a deployment are the template's parameter and the secret's."""
    tokens = {each.name: each.token for each in bison.bison.workspaces.values()}
    doors = dict.fromkeys(tokens, SAMPLE_TOKEN)
    return environment | {
        "BISON_INSTANCE_URL": bison.url,
        "BISON_API_TOKENS": json.dumps(tokens),
        "BISON_WEBHOOK_TOKENS": json.dumps(doors),
    }


def as_deployed(aws: LocalAws, database_url: str, mautic_url: str) -> dict[str, str]:
    """What is secret comes from the JSON secret, the rest from the template."""
    secret = SECRET | {"DATABASE_URL": database_url, "MIGRATION_DATABASE_URL": database_url}
    name = f"crm-relay/{uuid.uuid4()}"
    for group, part in split_by_secret(secret, secret_variables(TEMPLATE.functions)).items():
        aws.client("secretsmanager").create_secret(Name=secret_name(name, group), SecretString=json.dumps(part))
    changed = {SECRET_BASE: name, "MAUTIC_URL": mautic_url, "MAUTIC_BATCH_PAUSE_SECONDS": "0"}
    return aws.environment | changed


def event_of(case: str, environment: Mapping[str, str], database: Database) -> Any:
    """The sample as `crm-relay invoke` prepares it for this run's settings."""
    event = json.loads((EVENTS / f"{case}.json").read_text())
    settings = read_settings(SampleSettings, SECRET | {n: v for n, v in environment.items() if n != SECRET_ID})
    return prepare_sample(event, settings, utc_now(), sample_link(database, [LINK_KEY], utc_now()))
