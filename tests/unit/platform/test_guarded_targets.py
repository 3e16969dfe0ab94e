"""Which URLs of users may be asked: public hosts alone, in whatever form the rest is written."""

from ipaddress import ip_address

import pytest

from crm_relay.platform.http.guarded.addresses import kind_of
from crm_relay.platform.http.guarded.exchange import TargetRefused
from crm_relay.platform.http.guarded.targets import GuardRules, read_target

OPEN = GuardRules(plain_http=True)

REFUSED = {
    "loopback": ("https://127.0.0.1/", "loopback"),
    "another loopback": ("https://127.255.255.254/", "loopback"),
    "decimal": ("https://2130706433/", "odd_address"),
    "decimal in digits of another script": ("https://２１３０７０６４３３/", "odd_address"),
    "octal": ("https://0177.0.0.1/", "odd_address"),
    "octal as a whole": ("https://017700000001/", "odd_address"),
    "hexadecimal": ("https://0x7f000001/", "odd_address"),
    "hexadecimal in parts": ("https://0x7f.0x0.0x0.0x1/", "odd_address"),
    "short": ("https://127.1/", "odd_address"),
    "of three parts": ("https://127.0.1/", "odd_address"),
    "with a trailing dot": ("https://127.0.0.1./", "loopback"),
    "padded with zeros": ("https://127.000.000.001/", "odd_address"),
    "too large a number": ("https://127.0.0.256/", "odd_address"),
    "wide digits": ("https://１２７.０.０.１/", "loopback"),
    "circled digits": ("https://①②⑦.⓪.⓪.①/", "loopback"),
    "ideographic dots": ("https://127。0。0。1/", "loopback"),
    "unspecified": ("https://0.0.0.0/", "unspecified"),
    "zero": ("https://0/", "odd_address"),
    "private of class A": ("https://10.1.2.3/", "private"),
    "private of class B": ("https://172.31.255.255/", "private"),
    "private of class C": ("https://192.168.0.1/", "private"),
    "shared by a carrier": ("https://100.64.0.1/", "shared"),
    "link-local": ("https://169.254.1.1/", "link_local"),
    "metadata of AWS": ("https://169.254.169.254/latest/meta-data/", "link_local"),
    "metadata of AWS, decimal": ("https://2852039166/", "odd_address"),
    "metadata of containers": ("https://169.254.170.2/v2/credentials", "link_local"),
    "metadata of Azure": ("https://168.63.129.16/", "metadata"),
    "metadata of Alibaba": ("https://100.100.100.200/", "metadata"),
    "metadata of Oracle": ("https://192.0.0.192/", "reserved"),
    "documentation": ("https://203.0.113.7/", "documentation"),
    "benchmark": ("https://198.19.0.1/", "benchmark"),
    "relay of 6to4": ("https://192.88.99.1/", "transition"),
    "multicast": ("https://224.0.0.1/", "multicast"),
    "reserved": ("https://240.0.0.1/", "reserved"),
    "broadcast": ("https://255.255.255.255/", "reserved"),
    "IPv6 loopback": ("https://[::1]/", "loopback"),
    "IPv6 unspecified": ("https://[::]/", "unspecified"),
    "IPv6 mapped": ("https://[::ffff:127.0.0.1]/", "loopback"),
    "IPv6 mapped in hexadecimal": ("https://[::ffff:a9fe:a9fe]/", "link_local"),
    "IPv6 compatible": ("https://[::10.0.0.1]/", "transition"),
    "IPv6 unique local": ("https://[fd12:3456::1]/", "private"),
    "IPv6 metadata of AWS": ("https://[fd00:ec2::254]/", "metadata"),
    "IPv6 link-local": ("https://[fe80::1]/", "link_local"),
    "IPv6 with a scope": ("https://[fe80::1%25eth0]/", "link_local"),
    "IPv6 public with a scope": ("https://[2606:4700::1%25eth0]/", "link_local"),
    "IPv6 site-local": ("https://[fec0::1]/", "private"),
    "IPv6 multicast": ("https://[ff02::1]/", "multicast"),
    "IPv6 documentation": ("https://[2001:db8::1]/", "documentation"),
    "IPv6 newer documentation": ("https://[3fff::1]/", "documentation"),
    "6to4 of a private address": ("https://[2002:0a00:0001::1]/", "transition"),
    "Teredo": ("https://[2001:0:53aa:64c::1]/", "transition"),
    "NAT64 of loopback": ("https://[64:ff9b::7f00:1]/", "loopback"),
    "NAT64 of metadata": ("https://[64:ff9b::169.254.169.254]/", "link_local"),
    "local NAT64": ("https://[64:ff9b:1::7f00:1]/", "transition"),
    "IPv6 that nobody has": ("https://[4000::1]/", "reserved"),
    "the name of loopback": ("https://localhost/", "no_public_name"),
    "the name of loopback with a dot": ("https://localhost./", "no_public_name"),
    "a name of the local network": ("https://intranet/", "no_public_name"),
    "a user": ("https://user@hooks.example.com/", "credentials_in_url"),
    "a host as a user": ("https://hooks.example.com@127.0.0.1/", "credentials_in_url"),
    "a backslash": ("https://hooks.example.com\\@127.0.0.1/", "malformed"),
    "a tab": ("https://127.0.\t0.1/", "malformed"),
    "a line break": ("https://hooks.example.com/\r\nHost: x", "malformed"),
    "an encoded host": ("https://%31%32%37.0.0.1/", "odd_address"),
    "no host": ("https:///path", "malformed"),
    "two ports": ("https://hooks.example.com:443:80/", "malformed"),
    "an open bracket": ("https://[::1/", "malformed"),
    "a label with a dash before": ("https://-a.example.com/", "malformed"),
    "a port of mail": ("https://hooks.example.com:25/", "port"),
    "a port of SSH": ("https://hooks.example.com:22/", "port"),
    "no port at all": ("https://hooks.example.com:0/", "port"),
    "a port beyond the last": ("https://hooks.example.com:65536/", "port"),
    "file": ("file:///etc/passwd", "scheme"),
    "gopher": ("gopher://hooks.example.com/", "scheme"),
    "no scheme": ("hooks.example.com/", "scheme"),
    "far too long": ("https://hooks.example.com/" + "x" * 2_000, "malformed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_address_is_refused(case: str) -> None:
    url, reason = REFUSED[case]
    with pytest.raises(TargetRefused) as refused:
        read_target(url, OPEN)
    assert refused.value.reason == reason
    assert refused.value.status == 400


def test_a_refusal_never_quotes_the_url() -> None:
    with pytest.raises(TargetRefused) as refused:
        read_target("https://127.0.0.1/T0ken", OPEN)
    assert "T0ken" not in str(refused.value)


ACCEPTED = {
    "https://hooks.example.com": "https://hooks.example.com/",
    "HTTPS://Hooks.Example.COM:443/a b": None,
    "https://Hooks.Example.COM.:443/a?b=c#d": "https://hooks.example.com/a?b=c",
    "https://hooks.example.com:8443/x": "https://hooks.example.com:8443/x",
    "https://hooks.example.com:1024/": "https://hooks.example.com:1024/",
    "https://bücher.example/ä": "https://xn--bcher-kva.example/%C3%A4",
    "https://8.8.8.8/": "https://8.8.8.8/",
    "https://[2606:4700::1111]/": "https://[2606:4700::1111]/",
    "https://[2606:4700:0:0:0:0:0:1111]:8443/": "https://[2606:4700::1111]:8443/",
    "http://hooks.example.com/": "http://hooks.example.com/",
}


@pytest.mark.parametrize("url", ACCEPTED)
def test_a_public_address_is_read_into_its_one_form(url: str) -> None:
    expected = ACCEPTED[url]
    if expected is None:
        with pytest.raises(TargetRefused):
            read_target(url, OPEN)
    else:
        assert read_target(url, OPEN).url == expected


def test_plain_http_has_to_be_allowed() -> None:
    with pytest.raises(TargetRefused, match="plain_http"):
        read_target("http://hooks.example.com/")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8090/x", "http://localhost:8090/", "https://[::1]:8090/"])
def test_a_private_host_is_allowed_with_its_port(url: str) -> None:
    rules = GuardRules(private_hosts=frozenset({"127.0.0.1:8090", "localhost:8090", "[::1]:8090"}))
    assert read_target(url, rules).is_allowed_private
    with pytest.raises(TargetRefused):
        read_target(url.replace("8090", "8091"), rules)


def test_a_metadata_service_cannot_be_allowed() -> None:
    for host in ("169.254.169.254", "[fd00:ec2::254]", "[fd00:ec2::23]", "168.63.129.16"):
        with pytest.raises(TargetRefused):
            read_target(f"http://{host}:80/", GuardRules(frozenset({f"{host}:80"})))


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("1.1.1.1", None),
        ("11.0.0.1", None),
        ("100.63.255.255", None),
        ("100.128.0.1", None),
        ("172.15.255.255", None),
        ("172.32.0.1", None),
        ("169.253.255.255", None),
        ("198.17.255.255", None),
        ("223.255.255.255", None),
        ("::ffff:8.8.8.8", None),
        ("64:ff9b::8.8.8.8", None),
        ("2a00:1450:4001::1", None),
        ("2001:4860:4860::8888", None),
        ("2001:20::1", "reserved"),
    ],
)
def test_the_neighbours_of_what_is_refused_are_public(address: str, kind: str | None) -> None:
    assert kind_of(ip_address(address)) == kind


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/elsewhere", "https://hooks.example.com/elsewhere"),
        ("//HOOKS.example.com./x", "https://hooks.example.com/x"),
    ],
)
def test_a_redirect_within_the_host_is_followed(location: str, expected: str) -> None:
    assert read_target("https://hooks.example.com/a").redirected(location, OPEN).url == expected


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("https://other.example.com/", "redirect_to_other_host"),
        ("https://127.0.0.1/", "loopback"),
        ("http://169.254.169.254/latest", "link_local"),
        ("http://hooks.example.com/", "redirect_to_http"),
        ("https://hooks.example.com:22/", "port"),
        ("https://hooks.example.com:8443/x", "redirect_to_other_port"),
        ("https://user@hooks.example.com/", "credentials_in_url"),
        ("file:///etc/passwd", "scheme"),
        ("https://[::1/", "malformed"),
    ],
)
def test_a_redirect_elsewhere_is_refused(location: str, reason: str) -> None:
    with pytest.raises(TargetRefused) as refused:
        read_target("https://hooks.example.com/a").redirected(location, OPEN)
    assert refused.value.reason == reason
