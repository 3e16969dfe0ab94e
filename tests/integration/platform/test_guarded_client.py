"""The guarded client against servers on loopback that names of a resolver of the test's seem to have in public."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from crm_relay.platform.http.guarded.addresses import IpAddress
from crm_relay.platform.http.guarded.exchange import (
    OutgoingRequest,
    TargetNotConnected,
    TargetRefused,
    TargetSilent,
)
from crm_relay.platform.http.guarded.guarded_client import MOST_BODY_BYTES, GuardedClient
from crm_relay.platform.http.guarded.targets import GuardRules
from tests.support.platform.canned_server import Canned, CannedServer, canned_server
from tests.support.platform.certificates import make_server_certificate

PUBLIC, OTHER = "8.8.8.8", "1.1.1.1"
OPEN = GuardRules(plain_http=True)


@dataclass
class Network:
    """Names and what they mean at each look-up, and a way from every public address to a port on loopback."""

    names: dict[str, list[list[str]]] = field(default_factory=dict)
    looked_up: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)
    port: int = 0

    def resolve(self, host: str, _port: int) -> list[str]:
        self.looked_up.append(host)
        answers = self.names.get(host)
        if answers is None:
            raise socket.gaierror(-2, "Name or service not known")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def connect(self, opened: socket.socket, address: IpAddress, port: int) -> None:
        self.connected.append((str(address), port))
        opened.connect(("127.0.0.1", self.port))


@pytest.fixture
def network() -> Network:
    return Network({"hooks.example.com": [[PUBLIC]]})


@pytest.fixture
def server(network: Network) -> Iterator[CannedServer]:
    with canned_server() as server:
        network.port = int(server.url.rsplit(":", 1)[1])
        server.answer(Canned({"ok": True}))
        yield server


@pytest.fixture
def client(network: Network) -> GuardedClient:
    return GuardedClient(OPEN, network.resolve, network.connect)


def post(url: str = "http://hooks.example.com/in?a=1", **headers: str) -> OutgoingRequest:
    return OutgoingRequest("POST", url, {"Content-Type": "application/json", **headers}, b'{"n":1}')


def test_a_public_name_is_asked_at_the_address_that_was_looked_up(
    client: GuardedClient, network: Network, server: CannedServer
) -> None:
    answer = client.send(post())
    assert (answer.status, answer.body) == (200, b'{"ok": true}')
    (asked,) = server.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/in?a=1", b'{"n":1}')
    assert asked.headers["Host"] == "hooks.example.com"
    assert network.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize("status", [204, 400, 404, 410, 429, 500, 503])
def test_any_status_is_an_answer(client: GuardedClient, server: CannedServer, status: int) -> None:
    server.answer(Canned(None, status, {"Retry-After": "7"}))
    answer = client.send(post())
    assert (answer.status, answer.headers["retry-after"]) == (status, "7")


def test_an_address_is_asked_without_a_look_up(client: GuardedClient, network: Network, server: CannedServer) -> None:
    client.send(post(f"http://{OTHER}:8080/"))
    assert (network.looked_up, network.connected) == ([], [(OTHER, 8080)])
    assert server.asked[0].headers["Host"] == f"{OTHER}:8080"


PRIVATE_ANSWERS = {
    "loopback": ["127.0.0.1"],
    "a CNAME to localhost": ["127.0.0.1", "::1"],
    "IPv6 loopback": ["::1"],
    "unspecified": ["0.0.0.0"],  # noqa: S104 - refused
    "metadata": ["169.254.169.254"],
    "IPv6 metadata": ["fd00:ec2::254"],
    "private": ["10.0.0.5"],
    "shared": ["100.64.3.3"],
    "mapped": ["::ffff:192.168.0.1"],
    "a link-local address with its scope": ["fe80::1%2"],
    "a public and a private one": [PUBLIC, "10.0.0.5"],
    "a private and a public one": ["10.0.0.5", PUBLIC],
    "NAT64 of a private one": ["64:ff9b::a00:1"],
    "no address": ["not-an-address"],
}


@pytest.mark.parametrize("case", PRIVATE_ANSWERS)
def test_a_name_that_leads_to_a_private_address_is_refused(
    client: GuardedClient, network: Network, server: CannedServer, case: str
) -> None:
    network.names["hooks.example.com"] = [PRIVATE_ANSWERS[case]]
    with pytest.raises(TargetRefused):
        client.send(post())
    assert (network.connected, server.asked) == ([], [])


def test_an_answer_of_dns_that_changes_between_look_up_and_connection_makes_no_difference(
    client: GuardedClient, network: Network, server: CannedServer
) -> None:
    network.names["hooks.example.com"] = [[PUBLIC], ["127.0.0.1"]]
    client.send(post())
    assert network.looked_up == ["hooks.example.com"]
    assert network.connected == [(PUBLIC, 80)]
    with pytest.raises(TargetRefused, match="loopback"):
        client.send(post())
    assert len(server.asked) == 1


def test_a_redirect_is_looked_up_and_checked_again(
    client: GuardedClient, network: Network, server: CannedServer
) -> None:
    network.names["hooks.example.com"] = [[PUBLIC], ["127.0.0.1"]]
    server.answer(Canned(None, 307, {"Location": "/again"}))
    with pytest.raises(TargetRefused, match="loopback"):
        client.send(post())
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_within_the_host_repeats_the_same_request(
    client: GuardedClient, server: CannedServer, status: int
) -> None:
    server.answer(Canned(None, status, {"Location": "http://hooks.example.com/moved"}), Canned({"ok": 1}))
    assert client.send(post(**{"webhook-id": "w1"})).status == 200
    first, second = server.asked
    assert (second.method, second.target, second.body) == ("POST", "/moved", first.body)
    assert second.headers["webhook-id"] == "w1"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1/", "loopback"),
        ("http://169.254.169.254/latest/meta-data/", "link_local"),
        ("http://[::ffff:10.0.0.1]/", "private"),
        ("http://2130706433/", "odd_address"),
        ("http://other.example.com/", "redirect_to_other_host"),
        ("ftp://hooks.example.com/", "scheme"),
    ],
)
def test_a_redirect_elsewhere_is_refused(
    client: GuardedClient, network: Network, server: CannedServer, location: str, reason: str
) -> None:
    network.names["other.example.com"] = [[OTHER]]
    server.answer(Canned(None, 302, {"Location": location}))
    with pytest.raises(TargetRefused) as refused:
        client.send(post())
    assert refused.value.reason == reason
    assert len(network.connected) == 1


def test_redirects_end_after_three(client: GuardedClient, server: CannedServer) -> None:
    server.answer(Canned(None, 307, {"Location": "/round"}))
    with pytest.raises(TargetRefused, match="too_many_redirects"):
        client.send(post())
    assert len(server.asked) == 4


def test_303_asks_for_another_request_and_is_an_answer(client: GuardedClient, server: CannedServer) -> None:
    server.answer(Canned(None, 303, {"Location": "/see"}))
    assert client.send(post()).status == 303
    assert len(server.asked) == 1


def test_proxies_of_the_environment_are_not_asked(
    client: GuardedClient, network: Network, server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert client.send(post()).status == 200
    assert network.connected == [(PUBLIC, 80)]


def test_a_header_of_the_connection_cannot_be_replaced(client: GuardedClient, server: CannedServer) -> None:
    client.send(post(host="internal", **{"Content-Length": "3", "connection": "upgrade"}))
    (asked,) = server.asked
    assert asked.headers["Host"] == "hooks.example.com"
    assert (asked.headers["Content-Length"], asked.headers["Connection"]) == ("7", "close")


def test_an_allowed_private_host_is_asked_at_its_own_address(server: CannedServer) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    client = GuardedClient(GuardRules(frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})))
    assert client.send(post(f"{server.url}/a")).status == 200
    assert client.send(post(f"http://localhost:{port}/b")).status == 200
    with pytest.raises(TargetRefused, match="loopback"):
        GuardedClient(OPEN).send(post(f"{server.url}/a"))


def test_an_allowed_name_may_not_lead_to_a_metadata_service(network: Network, server: CannedServer) -> None:
    network.names["crm.internal"] = [["169.254.169.254"]]
    rules = GuardRules(frozenset({"crm.internal:80"}))
    with pytest.raises(TargetRefused, match="link_local"):
        GuardedClient(rules, network.resolve, network.connect).send(post("http://crm.internal/"))


def test_a_name_that_is_none_and_a_port_where_nobody_listens_are_no_connection(network: Network) -> None:
    client = GuardedClient(OPEN, network.resolve, network.connect)
    with pytest.raises(TargetNotConnected, match="no_such_name"):
        client.send(post("http://nobody.example.com/"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        network.port = free.getsockname()[1]
        with pytest.raises(TargetNotConnected, match="not_connected"):
            client.send(post())


def test_the_next_address_is_tried_where_one_takes_no_connection(
    network: Network, server: CannedServer, client: GuardedClient
) -> None:
    network.names["hooks.example.com"] = [[OTHER, PUBLIC]]

    def connect(opened: socket.socket, address: IpAddress, port: int) -> None:
        if str(address) == OTHER:
            raise ConnectionRefusedError
        network.connect(opened, address, port)

    assert replace(client, connect=connect).send(post()).status == 200


# --- servers that misbehave ------------------------------------------------------------------------------------------


@contextmanager
def raw_server(network: Network, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """One that says what it likes; each connection has a thread."""
    listening = socket.create_server(("127.0.0.1", 0))
    network.port = listening.getsockname()[1]

    def one(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                serve(connection)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def drip(text: bytes) -> Callable[[socket.socket], None]:
    """A byte now and then, each well within any time-out of a single read, without an end."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(text)
        for _ in range(600):
            connection.sendall(b"x")
            time.sleep(0.05)

    return serve


def hurried(client: GuardedClient) -> GuardedClient:
    return replace(client, seconds=0.4)


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: "], ids=["status", "headers"])
def test_a_server_that_drips_is_cut(client: GuardedClient, network: Network, begun: bytes) -> None:
    with raw_server(network, drip(begun)), pytest.raises(TargetSilent, match="timed_out"):
        hurried(client).send(post())


def test_a_server_that_drips_its_body_has_answered(client: GuardedClient, network: Network) -> None:
    with raw_server(network, drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")):
        answer = hurried(client).send(post())
    assert (answer.status, answer.body) == (200, b"")


def test_a_server_that_answers_too_late_is_cut(client: GuardedClient, network: Network) -> None:
    def serve(connection: socket.socket) -> None:
        time.sleep(4)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with raw_server(network, serve), pytest.raises(TargetSilent, match="timed_out"):
        hurried(client).send(post())


def test_a_look_up_that_hangs_is_given_up(client: GuardedClient) -> None:
    released = threading.Event()

    def resolve(_host: str, _port: int) -> list[str]:
        released.wait(30)
        return [PUBLIC]

    with pytest.raises(TargetNotConnected, match="no_such_name"):
        replace(hurried(client), resolve=resolve).send(post())
    released.set()


def test_a_connection_that_is_cut_is_no_answer(client: GuardedClient, network: Network) -> None:
    with raw_server(network, lambda _connection: None), pytest.raises(TargetSilent, match="cut_off"):
        client.send(post())


def test_what_is_not_http_is_no_answer(client: GuardedClient, network: Network) -> None:
    with (
        raw_server(network, lambda each: each.sendall(b"220 mail.example.com ESMTP\r\n")),
        pytest.raises(TargetSilent, match="cut_off"),
    ):
        client.send(post())


def test_a_long_body_is_cut(client: GuardedClient, network: Network) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n"
    with raw_server(network, lambda each: each.sendall(head + b"y" * 50_000_000)):
        answer = client.send(post())
    assert len(answer.body) == MOST_BODY_BYTES


@pytest.mark.parametrize("line", [b"X-A: " + b"a" * 60_000 + b"\r\n", b"X-A: a\r\n" * 6_000], ids=["long", "many"])
def test_endless_headers_are_no_answer(client: GuardedClient, network: Network, line: bytes) -> None:
    with (
        raw_server(network, lambda each: each.sendall(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n")),
        pytest.raises(TargetSilent),
    ):
        client.send(post())


def test_endless_continues_are_no_answer(client: GuardedClient, network: Network) -> None:
    with (
        raw_server(network, lambda each: each.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000)),
        pytest.raises(TargetSilent, match="answer_too_large"),
    ):
        client.send(post())


def test_a_compressed_body_is_not_unpacked(client: GuardedClient, server: CannedServer) -> None:
    server.answer(Canned("\x1f\x8b is not gzip", 200, {"Content-Encoding": "gzip"}))
    assert client.send(post()).body.startswith(b"\x1f")


# --- TLS ------------------------------------------------------------------------------------------------------------


@contextmanager
def tls_server(network: Network, folder: Path, host: str) -> Iterator[str]:
    """The file of its authority; its certificate is the one of `host`."""
    made = make_server_certificate(folder, address="127.0.0.1", host=host)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)

    listening = socket.create_server(("127.0.0.1", 0))
    network.port = listening.getsockname()[1]
    names: list[str] = []
    context.sni_callback = lambda _socket, name, _context: names.append(str(name))

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
                with context.wrap_socket(connection, server_side=True) as secured:
                    while b"}" not in secured.recv(65536):
                        pass
                    secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + names[-1][:2].encode())
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield str(made.authority)
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def test_the_certificate_is_asked_for_the_host_of_the_url(
    client: GuardedClient, network: Network, tmp_path: Path
) -> None:
    with tls_server(network, tmp_path, "hooks.example.com") as authority:
        trusting = replace(client, authorities=authority)
        answer = trusting.send(post("https://hooks.example.com/"))
        assert (answer.status, answer.body) == (200, b"ho")
        with pytest.raises(TargetNotConnected, match="certificate"):
            client.send(post("https://hooks.example.com/"))
        network.names["other.example.com"] = [[PUBLIC]]
        with pytest.raises(TargetNotConnected, match="certificate"):
            trusting.send(post("https://other.example.com/"))


def test_a_handshake_that_hangs_is_cut(client: GuardedClient, network: Network) -> None:
    with raw_server(network, lambda _connection: time.sleep(30)), pytest.raises(TargetNotConnected):
        hurried(client).send(post("https://hooks.example.com/"))
