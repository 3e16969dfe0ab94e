"""Which IP addresses a request to a configured URL may reach: public ones, and no other form of the rest."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from types import MappingProxyType

IpAddress = IPv4Address | IPv6Address

# https://www.iana.org/assignments/iana-ipv4-special-registry, and the metadata services of clouds. They are listed here
# because `ipaddress.is_private` differs between releases of Python.
_IPV4: Mapping[IPv4Network, str] = MappingProxyType(
    {
        IPv4Network("0.0.0.0/8"): "unspecified",
        IPv4Network("10.0.0.0/8"): "private",
        IPv4Network("100.64.0.0/10"): "shared",
        IPv4Network("127.0.0.0/8"): "loopback",
        IPv4Network("168.63.129.16/32"): "metadata",  # Azure
        IPv4Network("169.254.0.0/16"): "link_local",  # the metadata service of AWS, Google and Azure among them
        IPv4Network("172.16.0.0/12"): "private",
        IPv4Network("192.0.0.0/24"): "reserved",  # the metadata service of Oracle among them
        IPv4Network("192.0.2.0/24"): "documentation",
        IPv4Network("192.88.99.0/24"): "transition",
        IPv4Network("192.168.0.0/16"): "private",
        IPv4Network("198.18.0.0/15"): "benchmark",
        IPv4Network("198.51.100.0/24"): "documentation",
        IPv4Network("203.0.113.0/24"): "documentation",
        IPv4Network("224.0.0.0/4"): "multicast",
        IPv4Network("240.0.0.0/4"): "reserved",
    }
)
# https://www.iana.org/assignments/iana-ipv6-special-registry. What is outside 2000::/3 is not public either.
_IPV6: Mapping[IPv6Network, str] = MappingProxyType(
    {
        IPv6Network("::/128"): "unspecified",
        IPv6Network("::1/128"): "loopback",
        IPv6Network("::/96"): "transition",
        IPv6Network("64:ff9b:1::/48"): "transition",
        IPv6Network("2001::/32"): "transition",  # Teredo
        IPv6Network("2001::/23"): "reserved",
        IPv6Network("2001:db8::/32"): "documentation",
        IPv6Network("2002::/16"): "transition",  # 6to4
        IPv6Network("3fff::/20"): "documentation",
        # Services of AWS on every host: metadata, DNS, time, credentials of EKS. Before the private network around it.
        IPv6Network("fd00:ec2::/32"): "metadata",
        IPv6Network("fc00::/7"): "private",
        IPv6Network("fe80::/10"): "link_local",
        IPv6Network("fec0::/10"): "private",
        IPv6Network("ff00::/8"): "multicast",
    }
)
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")

ALLOWABLE = frozenset({"loopback", "private", "shared"})
"""Kinds of addresses that the operator may allow for a host; a metadata service is of another kind everywhere."""

_METADATA = frozenset({ip_address("100.100.100.200")})


def kind_of(address: IpAddress) -> str | None:
    """What keeps a request from `address`, such as `loopback`; None: it is public.

    An address that carries an IPv4 address is judged by that one where the network really leads there (IPv4-mapped,
    NAT64); the other forms (6to4, Teredo, IPv4-compatible) are refused as a whole.

    >>> kind_of(ip_address("::ffff:10.0.0.1")), kind_of(ip_address("8.8.8.8"))
    ('private', None)
    """
    carried = _carried(address)
    if carried is not None:
        return kind_of(carried)
    if address in _METADATA:
        return "metadata"
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _IPV4.items() if address in network), None)
    if address.scope_id is not None:
        return "link_local"
    kind = next((kind for network, kind in _IPV6.items() if address in network), None)
    return kind or (None if address in _PUBLIC_IPV6 else "reserved")


def _carried(address: IpAddress) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    return address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None)
