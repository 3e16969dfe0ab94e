"""A process of its own that has loaded everything, and is asked line by line, in JSON."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Self

from tests.support.source_tree import ROOT


class Preloaded:
    """`python -m module`, which answers each line with one. It ends with the `with`, when it has read everything."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def ask(self, question: Mapping[str, Any]) -> Any:
        """The answer to this line."""
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("opened with pipes")
        self._process.stdin.write(json.dumps(dict(question)) + "\n")
        self._process.stdin.flush()
        answered = self._process.stdout.readline()
        assert answered, "the process died"
        return json.loads(answered)
