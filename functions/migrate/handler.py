"""Invoked by hand: `aws lambda invoke`, `sam local invoke` or `crm-relay invoke migrate`."""

from typing import Any

from migrate.wiring import apply_migrations


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """What was applied, in order."""
    return apply_migrations(event)
