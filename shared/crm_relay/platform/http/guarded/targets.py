"""A configured URL, read strictly: one host, written in one way, that nothing after it reads differently."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote, urljoin, urlsplit

import idna

from crm_relay.platform.http.guarded.addresses import ALLOWABLE, IpAddress, kind_of
from crm_relay.platform.http.guarded.exchange import TargetRefused

_PORTS = {"https": 443, "http": 80}
_FIRST_USER_PORT = 1024
_LONGEST_URL = 2_000
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]|[\ud800-\udfff]")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]+)(?::(?P<port>\d{1,5}))?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST_NAME = 253


@dataclass(frozen=True)
class GuardRules:
    """What an operator allows beyond public addresses over HTTPS.

    `private_hosts`: `host:port`, as a URL names the host, that may be at a private or loopback address, with plain HTTP
    too. `plain_http`: HTTP is allowed to public hosts.
    """

    private_hosts: frozenset[str] = frozenset()
    plain_http: bool = False


@dataclass(frozen=True)
class Target:
    """A URL that has been read. `host`: a name in ASCII, or an address without brackets. `path` begins with a slash."""

    scheme: str
    host: str
    port: int
    path: str
    is_allowed_private: bool = False

    @property
    def authority(self) -> str:
        """As the header Host has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The same URL in its one form."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def address(self) -> IpAddress | None:
        """Of a host that is an address; None: a name."""
        return _address(self.host)

    def check(self, address: IpAddress) -> None:
        """Raises TargetRefused where no request may go to `address`."""
        kind = kind_of(address)
        if kind is not None and not (self.is_allowed_private and kind in ALLOWABLE):
            raise TargetRefused(kind)

    def redirected(self, location: str, rules: GuardRules) -> "Target":
        """Where an answer leads. Raises TargetRefused for another host or port, and for HTTP behind HTTPS."""
        try:
            joined = urljoin(self.url, location)
        except ValueError:
            raise TargetRefused("malformed") from None
        target = read_target(joined, rules)
        if target.host != self.host:
            raise TargetRefused("redirect_to_other_host")
        if (self.scheme, target.scheme) == ("https", "http"):
            raise TargetRefused("redirect_to_http")
        # Another service may listen there, and the request carries secrets.
        if target.authority != self.authority:
            raise TargetRefused("redirect_to_other_port")
        return target


STRICT = GuardRules()


def read_target(url: str, rules: GuardRules = STRICT) -> Target:
    """What `url` names. Raises TargetRefused, which never quotes it.

    An IPv4 address in another form than four decimal numbers (octal, hexadecimal, short) is refused: libraries disagree
    about what it names.
    """
    if len(url) > _LONGEST_URL or _FORBIDDEN.search(url):
        raise TargetRefused("malformed")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise TargetRefused("malformed") from None
    scheme, authority = parts.scheme.lower(), parts.netloc
    if scheme not in _PORTS:
        raise TargetRefused("scheme")
    if "@" in authority:
        raise TargetRefused("credentials_in_url")
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise TargetRefused("malformed")
    host = _host(found["host"])
    port = int(found["port"]) if found["port"] else _PORTS[scheme]
    is_allowed = f"{host}:{port}" in rules.private_hosts or f"[{host}]:{port}" in rules.private_hosts
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    target = Target(scheme, host, port, path + query, is_allowed)
    _check(target, rules)
    return target


def _check(target: Target, rules: GuardRules) -> None:
    """What can be said before anything is looked up."""
    address = target.address
    if address is not None:
        target.check(address)
    elif "." not in target.host and not target.is_allowed_private:
        raise TargetRefused("no_public_name")
    # A service below 1024 that is not of the web may take a request for something of its own, such as a mail server.
    if target.port not in _PORTS.values() and not _FIRST_USER_PORT <= target.port <= 65535:
        raise TargetRefused("port")
    if target.scheme == "http" and not (rules.plain_http or target.is_allowed_private):
        raise TargetRefused("plain_http")


def _host(written: str) -> str:
    if written.startswith("["):
        try:
            address = IPv6Address(written[1:-1])
        except ValueError:
            raise TargetRefused("malformed") from None
        if address.scope_id is not None:
            raise TargetRefused("link_local")
        return str(address)
    name = _ascii(written).removesuffix(".")
    if _NUMBER.fullmatch(name.rsplit(".", 1)[-1]):
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise TargetRefused("odd_address") from None
    if len(name) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise TargetRefused("malformed")
    return name


def _ascii(written: str) -> str:
    """As DNS is asked: https://www.unicode.org/reports/tr46/, which folds wide digits and dots too."""
    if written.isascii():
        return written.lower()
    try:
        return idna.encode(written, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        raise TargetRefused("malformed") from None


def _address(host: str) -> IpAddress | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
