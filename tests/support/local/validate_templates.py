"""`sam validate` and cfn-lint over many templates in one process; runs in SAM's environment: `python this.py FILE…`."""

import sys
from pathlib import Path

from cfnlint.api import ManualArgs, lint
from samcli.commands.validate.lib.exceptions import InvalidSamDocumentException
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

REGION = "us-east-1"
# What the resolved form lacks on purpose: a use for the parameters that decided it.
IGNORED = ["W2001", "WS1004", "W3002"]


class NoManagedPolicies:
    """AWS's own policies by name; the template uses none, so that nobody has to ask IAM."""

    def load(self) -> dict[str, str]:
        return {}


def problems(path: Path) -> list[str]:
    """In words; none for a template that both tools accept."""
    text = path.read_text(encoding="utf-8")
    found: list[str] = []
    try:
        SamTemplateValidator(yaml_parse(text), NoManagedPolicies(), region=REGION).get_translated_template_if_valid()
    except InvalidSamDocumentException as error:
        found.append(f"sam validate: {error}")
    config = ManualArgs(regions=[REGION], append_rules=["cfn_lint_serverless.rules"], ignore_checks=IGNORED)
    return found + [f"cfn-lint: {each}" for each in lint(text, config=config)]


def main(paths: list[str]) -> int:
    found = [f"{Path(path).name}: {problem}" for path in paths for problem in problems(Path(path))]
    sys.stdout.write("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
