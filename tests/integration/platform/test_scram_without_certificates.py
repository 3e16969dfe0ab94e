"""The driver's parser of certificates is loaded for channel binding alone, and reads the same."""

import subprocess
import sys
from pathlib import Path

from tests.support.platform.certificates import make_server_certificate

_BOUND = """
import ssl, sys
import crm_relay.platform.database
from scramp.core import CBindData, ScramException
assert "asn1crypto.x509" not in sys.modules, "loaded before it was asked for"
der = ssl.PEM_cert_to_DER_cert(open(sys.argv[1]).read())
print(bytes(CBindData.from_der(der)).hex())
try:
    CBindData.from_der(b"no certificate")
except ScramException as error:
    print(error)
import asn1crypto.x509
assert asn1crypto.x509.Name is not None
"""
_BY_THE_PARSER = """
import hashlib, ssl, sys
from asn1crypto.x509 import Certificate
der = ssl.PEM_cert_to_DER_cert(open(sys.argv[1]).read())
print(hashlib.new(Certificate.load(der, strict=True).hash_algo, der).hexdigest())
"""


def test_a_server_that_offers_channel_binding_gets_the_hash_of_its_certificate(tmp_path: Path) -> None:
    certificate = make_server_certificate(tmp_path, address="127.0.0.1").certificate
    bound, refused = _run(_BOUND, certificate)
    assert [bound] == _run(_BY_THE_PARSER, certificate)
    assert refused.startswith("Problem loading certificate from DER")


def _run(program: str, certificate: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, str(certificate)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
