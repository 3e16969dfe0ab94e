"""The files of the operator's page: the same for everybody, without any data."""

from functools import cache
from pathlib import Path

from crm_relay.platform.errors import RejectedInput

_FOLDER = Path(__file__).parent
_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
ASSETS = frozenset(path.name for path in _FOLDER.iterdir() if path.suffix in _KINDS)

PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
}
"""Nothing but our own files is loaded or run, and nobody frames the page."""


@cache
def read_asset(name: str) -> tuple[str, str]:
    """Text and content type. RejectedInput with 404 for anything but our files."""
    if name not in ASSETS:
        raise RejectedInput("there is no such file", status=404)
    path = _FOLDER / name
    return path.read_text(encoding="utf-8"), f"{_KINDS[path.suffix]}; charset=utf-8"
