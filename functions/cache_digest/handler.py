"""Entry point of cache_digest: records of the edge cache's stream."""

from collections.abc import Mapping
from typing import Any

from cache_digest.wiring import keep


def handler(event: Mapping[str, Any], _context: Any) -> Mapping[str, Any]:
    """Adds the changes to the digests; answers with where to go on, so that no change is left out."""
    return keep(event["Records"])
