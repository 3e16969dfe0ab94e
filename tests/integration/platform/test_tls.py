"""The connection to the database is verified, or it does not come about."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_relay.platform.database import Database
from crm_relay.platform.errors import FatalError, TransientError
from crm_relay.platform.sql import Query
from tests.support.platform.certificates import ServerCertificate, make_server_certificate
from tests.support.platform.counting_proxy import CountingProxy
from tests.support.platform.tls_proxy import TlsProxy

QUESTION = Query.parse("question", "shows that the connection carries statements", "select 42 as answer")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ServerCertificate:
    """For 127.0.0.1, and so not for the name localhost."""
    return make_server_certificate(tmp_path_factory.mktemp("certificate"), address="127.0.0.1")


@pytest.fixture
def server(postgres_url: str, certificate: ServerCertificate) -> Iterator[TlsProxy]:
    """A server that offers TLS."""
    with TlsProxy(postgres_url, certificate) as proxy:
        yield proxy


def connect(url: str, ca_file: Path | None) -> None:
    database = Database(url, ca_file=str(ca_file) if ca_file else None)
    try:
        assert database.run(QUESTION) == [{"answer": 42}]
    finally:
        database.close()


def test_with_the_right_authority_the_connection_is_encrypted(server: TlsProxy, certificate: ServerCertificate) -> None:
    connect(server.url(), certificate.authority)
    assert server.encrypted == [True]


def test_another_authority_is_refused_for_good(server: TlsProxy, tmp_path: Path) -> None:
    another = make_server_certificate(tmp_path, address="127.0.0.1")
    with pytest.raises(FatalError, match="certificate"):
        connect(server.url(), another.authority)
    assert server.encrypted == []


def test_another_host_name_is_refused_for_good(server: TlsProxy, certificate: ServerCertificate) -> None:
    with pytest.raises(FatalError, match="certificate"):
        connect(server.url("localhost"), certificate.authority)
    assert server.encrypted == []


def test_a_server_without_tls_gets_no_password_where_tls_is_asked_for(
    postgres_url: str, certificate: ServerCertificate
) -> None:
    with CountingProxy(postgres_url) as plain, pytest.raises(TransientError, match="TLS"):
        connect(plain.url, certificate.authority)
    assert (plain.queries, plain.other_messages) == ([], [])


def test_an_explicit_disable_does_not_outweigh_an_authority(server: TlsProxy, certificate: ServerCertificate) -> None:
    connect(f"{server.url()}?sslmode=disable", certificate.authority)
    assert server.encrypted == [True]


def test_a_host_elsewhere_is_verified_without_being_asked_and_a_loopback_is_not(server: TlsProxy) -> None:
    connect(server.url(), None)
    assert server.encrypted == [False]
    with pytest.raises(FatalError, match="certificate"):
        connect(server.url("127.1"), None)
    assert server.encrypted == [False]


def test_a_file_that_is_no_certificate_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for path in (tmp_path / "empty.pem", tmp_path / "missing.pem"):
        with pytest.raises(FatalError, match="DATABASE_CA_FILE"):
            Database("postgresql://someone@db.example.com/crm", ca_file=str(path))


@pytest.mark.parametrize(
    "url", ["mysql://a@example.com/x", "postgresql:///x", "postgresql://example.com/x", "nonsense"]
)
def test_an_address_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(FatalError, match="DATABASE_URL"):
        Database(url)
