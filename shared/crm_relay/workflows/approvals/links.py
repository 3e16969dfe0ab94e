"""The links of approvals: one that we made is known as ours without a look into the database, and kept as a hash."""

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from crm_relay.mail.link_tokens import is_signed_link, new_link_token

PATH: Final = "/approvals/"
"""Where the function `approvals` answers."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,100}")


def new_approval_token(link_keys: Sequence[str]) -> str:
    """Signed with the first of the keys of links, which sign those to unsubscribe in another way."""
    return new_link_token(_own(link_keys))


def is_signed_approval(token: str, link_keys: Sequence[str]) -> bool:
    """False says nothing: there are links from before there was a key."""
    return is_signed_link(token, _own(link_keys))


def may_be_approval_token(token: str) -> bool:
    """Whether it has the form of ours."""
    return _TOKEN.fullmatch(token) is not None


def link_sha256(token: str) -> str:
    """A token has 144 random bits or more: no salt and no slow hash is needed."""
    return hashlib.sha256(token.encode(errors="backslashreplace")).hexdigest()


def _own(link_keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"approval:{key}" for key in link_keys)
