"""The first ten minutes of a new user: a fresh copy of the tree, and every command of docs/first-campaign.md."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from tests.conftest import ROOT
from tests.support.operations.page import open_view
from tests.support.processes.browser import chromium

# With the page's other tests: one browser at a time.
pytestmark = pytest.mark.xdist_group("browser")

PAGE = "docs/first-campaign.md"
STARTUP_SECONDS = 300
# What a command has to say, beside ending well; every one of the page has a line.
SAYS = {
    "make init ANSWERS=docs/first-campaign/answers.env": ["Example Engines", "make up"],
    "make up": ["sign in", "/dashboard#/sign-in/", "Resend     simulated"],
    "source .venv/bin/activate": [],
    "crm-relay import contacts docs/first-campaign/people.csv --dry-run": ["Would be imported", "first_name"],
    "crm-relay import contacts docs/first-campaign/people.csv": ["Imported", "50"],
    "crm-relay campaign create docs/first-campaign/campaign.yaml": ["Draft", "First campaign"],
    'crm-relay campaign enroll "First campaign" --csv docs/first-campaign/people.csv': ["enrolled", "50"],
    'crm-relay campaign simulate "First campaign"': ["email: 100", "@example.com", "no mail leaves"],
    'crm-relay campaign activate "First campaign"': ["active", "no mail leaves"],
    "crm-relay campaign run": ["finished"],
    'crm-relay campaign show "First campaign"': ["active: 50", "Steps"],
    "crm-relay why ada.north@example.com": ["First campaign"],
    "crm-relay doctor": ["PostgreSQL", "good"],
}


def commands_of(text: str) -> list[str]:
    """Every line of its blocks of shell."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that a clone of this tree would have, and nothing that was made in it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    target = tmp_path / "clone"
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists() and not name.startswith("tests/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    return target


class Shell:
    """A terminal in the clone; what ran in it before `source` is as new as a terminal that is opened."""

    def __init__(self, clone: Path) -> None:
        self.clone = clone
        kept = {name: os.environ[name] for name in os.environ if not name.startswith(("CRM_RELAY_", "MAKE", "COLUMNS"))}
        self.environment = {**kept, "STACK_PORT": "0"}
        self.environment.pop("VIRTUAL_ENV", None)
        self.before: list[str] = []
        self.stack: subprocess.Popen[str] | None = None
        self.log = clone.parent / "up.log"

    def run(self, command: str) -> str:
        """What it printed; it has to end well and without a traceback."""
        if command == "make up":
            return self._start()
        if command.startswith("source "):
            self.before.append(command)
        done = subprocess.run(
            ["bash", "-ec", "\n".join([*self.before, command])],
            cwd=self.clone,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STARTUP_SECONDS,
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}: {printed}"
        return printed

    @property
    def description(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.clone / "build" / "stack.json").read_text())
        return found

    def _start(self) -> str:
        with self.log.open("w") as log:
            self.stack = subprocess.Popen(
                ["make", "up"], cwd=self.clone, env=self.environment, stdout=log, stderr=log, text=True
            )
        until = time.monotonic() + STARTUP_SECONDS
        while "stop with Ctrl-C" not in self.log.read_text():
            assert self.stack.poll() is None, self.log.read_text()
            assert time.monotonic() < until, "the stack did not come up"
            time.sleep(0.1)
        return self.log.read_text()

    def close(self) -> None:
        """End the stack, as Ctrl-C does."""
        if self.stack is not None and self.stack.poll() is None:
            os.kill(int(self.description["pid"]), signal.SIGINT)
            self.stack.wait(60)


@pytest.fixture
def shell(clone: Path) -> Iterator[Shell]:
    shell = Shell(clone)
    yield shell
    shell.close()


def test_every_command_of_the_page_is_known_here() -> None:
    assert commands_of((ROOT / PAGE).read_text(encoding="utf-8")) == list(SAYS)


@pytest.mark.timeout(900)
def test_a_new_user_has_people_in_a_campaign_and_sees_them_on_the_page(shell: Shell) -> None:
    for command in commands_of((shell.clone / PAGE).read_text(encoding="utf-8")):
        printed = shell.run(command)
        assert "Traceback" not in printed, command
        assert [words for words in SAYS[command] if words not in printed] == [], printed
        assert [line for line in printed.splitlines() if line.startswith(("│", "┃")) and len(line) > 100] == []
    stack = shell.description
    headers = {"authorization": f"Bearer {stack['admin_token']}"}
    until = time.monotonic() + STARTUP_SECONDS
    # The stack's own schedule may be sending what the command did not find due.
    while (shown := campaigns_of(stack, headers))[0]["total_sent"] < 50 and time.monotonic() < until:
        time.sleep(0.5)
    assert [(each["name"], each["status"], each["total_sent"]) for each in shown] == [("First campaign", "active", 50)]
    assert "no campaign has the name or id 'First'" in shell.run("crm-relay campaign show First --json || true")
    link = re.search(r"sign in +(\S+)", shell.log.read_text())
    assert link is not None
    with chromium() as browser:
        page = browser.new_page()
        page.goto(link[1])
        expect(page.locator("body[data-filled]")).to_be_attached(timeout=60_000)
        row = open_view(page, "campaigns").locator("tr", has_text="First campaign").first
        expect(row).to_contain_text("active", timeout=60_000)
        expect(row).to_contain_text("50")


def campaigns_of(stack: dict[str, Any], headers: dict[str, str]) -> list[dict[str, Any]]:
    """As the page asks for them."""
    answer = requests.get(f"{stack['base_url']}/api/campaigns", headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return list(found["campaigns"] if isinstance(found, dict) else found)
