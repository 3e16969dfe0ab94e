"""`crm-relay` as a process of its own for every command, forked from one that has already imported everything.

`python -m tests.support.processes.commands` reads one JSON order a line and answers each with one
line. Most of a short command's second is imports; all the rest is as it is: its own process, environment, standard
streams and exit code.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.processes.preloaded import Preloaded


class Commands(Preloaded):
    """The process, from outside."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__("tests.support.processes.commands", environment)

    def run(self, *arguments: str, answer: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """One command; `answer` is what it reads, `environment` what it has besides."""
        answered = self.ask({"arguments": arguments, "answer": answer, "environment": environment})
        return subprocess.CompletedProcess(arguments, **answered)


def _carried_out(arguments: Sequence[str], answer: str, environment: Mapping[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(answer.encode())
        given.seek(0)
        child = os.fork()
        if child == 0:
            for number, file in enumerate((given, out, err)):
                os.dup2(file.fileno(), number)
            os.environ.update(environment)
            _become(arguments)
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return {"returncode": os.waitstatus_to_exitcode(status), "stdout": texts[0], "stderr": texts[1]}


def _become(arguments: Sequence[str]) -> None:
    """What the console script does. Does not return."""
    code: object = 1
    try:
        from cli.main import app

        app(list(arguments), prog_name="crm-relay")
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - the interpreter would tell it in the same way
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _serve() -> None:
    import cli.main  # noqa: F401 - so that no command has to

    for line in sys.stdin:
        sys.stdout.write(json.dumps(_carried_out(**json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
