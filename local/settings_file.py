"""Reads and writes files of NAME=value lines, such as .env."""

import re
from pathlib import Path

from crm_relay.platform.errors import RejectedInput

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_env_file(path: Path) -> dict[str, str]:
    """NAME=value lines; empty lines and lines that begin with # count for nothing, one pair of quotes is taken off.

    RejectedInput with the numbers of all lines that are neither, without what stands in them.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise RejectedInput(f"{path} is not there") from None
    except (OSError, UnicodeDecodeError):
        raise RejectedInput(f"{path} cannot be read as a text file") from None
    settings, bad = {}, []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        if not equals or not _NAME.fullmatch(name.strip()):
            bad.append(f"line {number} is not NAME=value")
            continue
        settings[name.strip()] = _unquoted(value.strip())
    if bad:
        raise RejectedInput(f"{path} is not a file of settings", details=bad)
    return settings


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value
