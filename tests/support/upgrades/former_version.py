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
_PRESENT = Path(__file__).with_name("present_worker.py")


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


def _started(script: Path, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(folder / "shared")},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@dataclass
class VersionWorker:
    """A process of one version; each order is carried out before `ask` returns."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, folder: Path, *arguments: str) -> "VersionWorker":
        """`folder`: where it was unpacked. `arguments`: addresses of the database and of Resend, and the key."""
        return cls(_started(_WORKER, folder, *arguments))

    @classmethod
    def of_this_version(cls, *arguments: str) -> "VersionWorker":
        """The same with this tree's sources, for a comparison of both; deliveries alone."""
        return cls(_started(_PRESENT, ROOT, *arguments))

    def ask(self, **order: Any) -> float:
        """How many seconds it took. AssertionError where the process died of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        while not (answered := self.process.stdout.readline()).startswith("answered "):
            # What it logs is no answer.
            assert answered, "the worker failed"
        return float(answered.split()[1])

    def __enter__(self) -> "VersionWorker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.communicate(timeout=30)
