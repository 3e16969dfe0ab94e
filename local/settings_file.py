"""Reads and writes files of NAME=value lines, such as .env."""

import re
from collections.abc import Mapping
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


def write_env_file(path: Path, settings: Mapping[str, str]) -> None:
    """Set these in the file and leave all its other lines as they are; only its owner may read it. Safe to repeat.

    RejectedInput for a value that has no line of its own, and where the file cannot be written.
    """
    if many := [name for name, value in settings.items() if value.splitlines() != [value]]:
        raise RejectedInput("a value has to fit on one line", details=many)
    lines = path.read_text(encoding="utf-8-sig").splitlines() if path.exists() else []
    left = dict(settings)
    for number, line in enumerate(lines):
        name = line.strip().removeprefix("export ").partition("=")[0].strip()
        if name in settings and not line.strip().startswith("#"):
            lines[number] = f"{name}={_quoted(settings[name])}"
            left.pop(name, None)
    lines += [f"{name}={_quoted(value)}" for name, value in left.items()]
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        unfinished.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise RejectedInput(f"{path} cannot be written: {(error.strerror or 'error').lower()}") from None


def _quoted(value: str) -> str:
    """One pair of quotes is taken off when it is read."""
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return f'"{value}"' if quoted or value != value.strip() else value
