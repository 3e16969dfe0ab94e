"""The template in each combination of rooms that an operator may leave out."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from local.template.resolved import dangling_references, resolve_document
from local.template.template import SamTemplate
from tests.support.local.combinations import COMBINATIONS, LEFT_OUT
from tests.support.source_tree import ROOT

SAM_PYTHON = ROOT / ".venv-sam" / "bin" / "python"
VALIDATE = ROOT / "tests" / "support" / "local" / "validate_templates.py"
FUNCTIONS = {
    "MauticUrl": {"mautic_sync", "mautic_webhook"},
    "BisonInstanceUrl": {"bison_webhook", "bison_poll", "provider_report"},
    "Campaigns": {"campaign_cron"},
    "EdgeReplication": {"cache_sync", "cache_digest"},
    "Notifications": {"notification_cron"},
    "Workflows": {"approvals", "workflow_cron"},
    "Connections": {"integration_sync", "mailchimp_webhook"},
}
MAIL = {"resend_webhook", "unsubscribe"}
"""Every room that sends mail needs them."""

KEPT_ALWAYS = {
    "CoordinationTable",
    "OversizeBucket",
    "DeferredQueue",
    "IntegrityOrdersQueue",
    "ScheduleDeadLetterQueue",
}
each_combination = pytest.mark.parametrize("left_out", COMBINATIONS, ids=lambda rooms: "+".join(rooms) or "nothing")


def template(left_out: tuple[str, ...]) -> SamTemplate:
    given = {"MauticUrl": "https://mautic.example.com", "BisonInstanceUrl": "https://send.example.com"}
    return SamTemplate.read(ROOT / "template.yaml", given | {name: LEFT_OUT[name] for name in left_out})


def test_there_are_one_hundred_and_twenty_eight() -> None:
    assert len(COMBINATIONS) == 128


@each_combination
def test_what_is_there_refers_only_to_what_is_there(left_out: tuple[str, ...]) -> None:
    document = resolve_document(template(left_out))
    assert dangling_references(document) == []
    assert document["Resources"].keys() >= KEPT_ALWAYS


@each_combination
def test_a_room_takes_its_functions_along_and_no_other(left_out: tuple[str, ...]) -> None:
    everything = set(SamTemplate.read(ROOT / "template.yaml").functions)
    without_mail = MAIL if {"Campaigns", "Notifications", "Workflows"} <= set(left_out) else set()
    gone = without_mail.union(*(FUNCTIONS[name] for name in left_out))
    assert set(template(left_out).functions) == everything - gone


@each_combination
def test_the_api_says_which_rooms_are_left_out(left_out: tuple[str, ...]) -> None:
    names = {
        "MauticUrl": "mautic",
        "BisonInstanceUrl": "emailbison",
        "Campaigns": "campaigns",
        "EdgeReplication": "edge_cache",
        "Notifications": "notifications",
        "Workflows": "workflows",
        "Connections": "connections",
    }
    named = template(left_out).functions["admin_api"].environment["LEFT_OUT_ROOMS"]
    assert template(left_out).functions["integrity_check"].environment["LEFT_OUT_ROOMS"] == named
    assert named == ",".join(names[name] for name in names if name in left_out)


def test_a_reference_to_what_is_left_out_is_found() -> None:
    document = resolve_document(template(("EdgeReplication",)))
    document["Resources"]["AdminApi"]["Properties"]["Description"] = {"Fn::Sub": "${EdgeCache.Arn}/index"}
    assert dangling_references(document) == [("AdminApi", "EdgeCache")]


@pytest.mark.skipif(not SAM_PYTHON.exists(), reason="make .venv-sam/.ready installs SAM and cfn-lint")
@pytest.mark.timeout(400)
def test_sam_and_cfn_lint_accept_a_template_with_each_room_in_or_out_alone(tmp_path: Path) -> None:
    """The references of every combination are looked at above: these tools take ten seconds a template."""
    paths = []
    number_of_rooms = max(map(len, COMBINATIONS))
    alone = [left_out for left_out in COMBINATIONS if len(left_out) in {0, 1, number_of_rooms - 1, number_of_rooms}]
    for number, left_out in enumerate(alone):
        paths.append(tmp_path / f"{number:02}-without-{'-'.join(left_out) or 'nothing'}.yaml")
        paths[-1].write_text(yaml.safe_dump(resolve_document(template(left_out)), sort_keys=False))
    with ThreadPoolExecutor(2) as both:
        halves = list(both.map(validate, (paths[::2], paths[1::2])))
    assert halves == ["", ""]


def validate(paths: list[Path]) -> str:
    """What the tools complain of; nothing for templates that they accept."""
    done = subprocess.run([SAM_PYTHON, VALIDATE, *paths], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout
