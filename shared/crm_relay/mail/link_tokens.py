"""Tokens in the links of e-mails; one that we signed is known as ours without a look into the database."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

_RANDOM_BYTES, _RANDOM_LENGTH = 18, 24
_SIGNATURE_BYTES = 16


def new_link_token(keys: Sequence[str]) -> str:
    """Signed with the first key; without any it is only random. Letters, digits, `-` and `_`."""
    if not keys:
        return secrets.token_urlsafe(24)
    random = secrets.token_urlsafe(_RANDOM_BYTES)
    return random + _signature(keys[0], random)


def is_signed_link(token: str, keys: Sequence[str]) -> bool:
    """Whether one of the keys signed it. False says nothing: there are links from before there was a key."""
    random, given = token[:_RANDOM_LENGTH], token[_RANDOM_LENGTH:].encode(errors="replace")
    # Every comparison is made, whatever the others said.
    results = [hmac.compare_digest(_signature(key, random).encode(), given) for key in keys]
    return any(results)


def _signature(key: str, random: str) -> str:
    digest = hmac.new(key.encode(), random.encode(errors="replace"), hashlib.sha256).digest()[:_SIGNATURE_BYTES]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
