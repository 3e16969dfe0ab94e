"""The headers of every answer of ours, and which pages of other origins may read one."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

SECURITY_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "referrer-policy": "no-referrer",  # tokens are in some paths
        "strict-transport-security": "max-age=31536000",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
)
"""A page says its own content-security-policy instead.

https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html. HSTS is without includeSubDomains: the
address may be a domain of the operator's, who has others under it.
"""

AllowedOrigins = Callable[[], Sequence[str]]
"""The origins whose pages may read a route's answers, such as https://crm.example.com."""


def no_origins() -> Sequence[str]:
    """Of a route that no page calls, such as a webhook."""
    return ()


def cors_headers(origin: str | None, allowed: AllowedOrigins, methods: Sequence[str]) -> dict[str, str]:
    """Of an answer to a page of `origin`, the header of that name. Empty for one that is not allowed.

    `allowed` is asked only where a page of some origin calls. https://fetch.spec.whatwg.org/#http-cors-protocol
    """
    if origin is None:
        return {}
    if origin not in allowed():
        return {"vary": "origin"}
    return {
        "vary": "origin",
        "access-control-allow-origin": origin,
        "access-control-allow-methods": ", ".join((*methods, "OPTIONS")),
        "access-control-allow-headers": "authorization, content-type",
        "access-control-max-age": "600",
    }
