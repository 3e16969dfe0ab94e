"""The former version as a whole, out of the history, and processes of it that work on a database."""

import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.source_tree import ROOT
from tests.support.upgrades.capture import COMMIT

_WORKER = Path(__file__).with_name("former_worker.py")


def is_in_history() -> bool:
    """Whether its sources can be had: not in a shallow clone, nor in an archive of the sources."""
    found = subprocess.run(
        ["git", "cat-file", "-e", f"{COMMIT}^{{commit}}"], cwd=ROOT, capture_output=True, check=False
    )
    return found.returncode == 0


def unpack(folder: Path) -> Path:
    """`shared` and `migrations` of the former version, in `folder`."""
    archive = subprocess.run(
        ["git", "archive", COMMIT, "shared", "migrations"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as members:
        members.extractall(folder, filter="data")
    return folder


@dataclass
class FormerWorker:
    """A process of the former version; each order is carried out before `ask` returns."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, folder: Path, database_url: str, resend_url: str, api_key: str) -> "FormerWorker":
        """`folder`: where it was unpacked."""
        environment = {**os.environ, "PYTHONPATH": str(folder / "shared")}
        return cls(
            subprocess.Popen(
                [sys.executable, str(_WORKER), database_url, resend_url, api_key],
                env=environment,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )

    def ask(self, **order: Any) -> None:
        """AssertionError where the process died of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        while (answered := self.process.stdout.readline()) != "{}\n":
            # What it logs is no answer.
            assert answered, "the former version failed"

    def __enter__(self) -> "FormerWorker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.communicate(timeout=30)
