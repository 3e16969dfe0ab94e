"""Writes down every statement that the former version sends: `python -m tests.support.upgrades.capture COMMIT`.

The file is what is left of that version where the history is not at hand (a shallow clone, an archive of the sources).
"""

import subprocess
import sys
from pathlib import Path

from crm_relay.platform.sql import parse_queries
from tests.support.source_tree import ROOT

COMMIT = "6ec20cf9ac3ecae55c8018518ac17b3856b3e821"
"""The last commit whose rules stand in SQL; nothing that it calls may be missing from the schema."""

STATEMENTS = ROOT / "tests" / "samples" / "former_version" / "statements.sql"


def files_of(commit: str, folder: str = "shared/crm_relay") -> list[str]:
    """Paths of its files of queries. CalledProcessError where the history does not have the commit."""
    return [path for path in _git("ls-tree", "-r", "--name-only", commit, folder).split() if path.endswith(".sql")]


def statements_of(commit: str) -> str:
    """All named queries, each under the name of its room, file and query."""
    parts = []
    for path in files_of(commit):
        room, file = Path(path).parent.name, Path(path).stem
        for name, query in parse_queries(_git("show", f"{commit}:{path}")).items():
            called = "_".join([room, *([] if file == "queries" else [file]), name])
            parts.append(f"-- name: {called}\n-- {query.why}\n{_text_of(path, commit, name)};\n")
    return "\n".join(parts)


def _text_of(path: str, commit: str, name: str) -> str:
    """The statement as it stands in the file, with the types of its rows."""
    text = _git("show", f"{commit}:{path}")
    body = text.partition(f"-- name: {name}\n")[2].partition("\n")[2].partition("\n-- name: ")[0]
    return body.strip().removesuffix(";")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    STATEMENTS.parent.mkdir(exist_ok=True)
    STATEMENTS.write_text(statements_of(sys.argv[1] if sys.argv[1:] else COMMIT), encoding="utf-8")
