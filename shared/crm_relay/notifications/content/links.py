"""Where a notification may lead: a path of the application itself, or an https address of a host that is allowed."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from crm_relay.platform.errors import RejectedInput

# Printable ASCII. Browsers read a backslash as a slash, and drop tabs and line breaks before they look at a scheme.
_URL = re.compile(r"[!-\[\]-~]+")
_LONGEST = 2000


@dataclass(frozen=True)
class LinkRules:
    """`app_url`: where the application is, for links outside it; without a slash at its end. `allowed_hosts`: others
    that an action may lead to, as `host` or `host:port`.
    """

    app_url: str | None = None
    allowed_hosts: frozenset[str] = frozenset()
    own_pages: str | None = None

    def check(self, url: str) -> str:
        """`url` itself; RejectedInput, which names the rule and not the address, where it may not be led to."""
        if len(url) > _LONGEST or not _URL.fullmatch(url):
            raise RejectedInput("action_url: printable ASCII without spaces and backslashes")
        if self.own_pages is not None and url.startswith(self.own_pages):
            return url
        if url.startswith("/"):
            if url.startswith("//"):
                raise RejectedInput("action_url: a path begins with one slash")
            return url
        try:
            parts = urlsplit(url)
            place = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
        except ValueError:
            raise RejectedInput("action_url: no address") from None
        if parts.scheme != "https" or "@" in parts.netloc:
            raise RejectedInput("action_url: a path, or an https address without a user")
        if place not in self._hosts:
            raise RejectedInput("action_url: its host is not allowed")
        return url

    def absolute(self, url: str) -> str:
        """For a reader outside the application; a path stays one where nobody said where the application is."""
        return f"{self.app_url}{url}" if self.app_url and url.startswith("/") else url

    @property
    def _hosts(self) -> frozenset[str]:
        own = urlsplit(self.app_url).netloc.lower() if self.app_url else ""
        return frozenset(host.lower() for host in self.allowed_hosts) | ({own} if own else set())
