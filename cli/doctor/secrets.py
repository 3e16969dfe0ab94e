"""The doctor's look at the secrets: whether each variable lies where only its readers may read it."""

import os
from collections.abc import Iterator

from cli.doctor.checks import Check
from crm_relay.platform.aws.secret_groups import SecretGroup
from crm_relay.platform.aws.secret_store import read_secret
from crm_relay.platform.settings import SECRET_ID
from local.stack_file import ROOT
from local.template.secrets import secret_variables
from local.template.template import SamTemplate


def examine_secrets() -> Iterator[Check]:
    """A line a secret of CRM_RELAY_SECRET_ID; none where the settings are in the environment."""
    variables = secret_variables(SamTemplate.read(ROOT / "template.yaml").functions)
    for name in filter(None, (each.strip() for each in os.environ.get(SECRET_ID, "").split(","))):
        content, group = read_secret(name), _group(name)
        what = f"secret {name}"
        if content is None:
            yield Check(what, "wrong", "there is none of this name")
        elif group is None:
            yield Check(what, "wrong", "is one for everything: run crm-relay secret write NAME --from-secret NAME")
        else:
            misplaced = sorted(each for each in content if variables.get(each) is not group)
            found = f"does not belong here: {', '.join(misplaced)}" if misplaced else f"{len(content)} variables"
            yield Check(what, "wrong" if misplaced else "good", found)


def _group(name: str) -> SecretGroup | None:
    ending = name.rpartition("/")[2]
    return next((group for group in SecretGroup if group.value == ending), None)
