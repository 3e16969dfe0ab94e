"""Imports the driver's SCRAM without its parser of certificates, which is a seventh of a cold start.

scramp imports `asn1crypto.x509` at its top and reads a certificate only where a server offers channel binding
(SCRAM-SHA-256-PLUS over TLS), which transaction poolers do not. There the parser is loaded when it is asked.
https://www.rfc-editor.org/rfc/rfc5929#section-4
"""

import importlib
import sys
from types import ModuleType
from typing import Any

_PARSER = "asn1crypto.x509"


class _Certificate:
    """As much of the parser's class as scramp uses."""

    @staticmethod
    def load(der: bytes, *, strict: bool = False) -> Any:
        """The parsed certificate. Raises ValueError where it is none."""
        return importlib.import_module(_PARSER).Certificate.load(der, strict=strict)


def import_scram() -> None:
    """Before the driver is imported. Everyone who imports the parser later gets the whole of it."""
    if _PARSER in sys.modules or "scramp.core" in sys.modules:
        return
    stand_in = ModuleType(_PARSER)
    stand_in.__dict__["Certificate"] = _Certificate
    sys.modules[_PARSER] = stand_in
    try:
        importlib.import_module("scramp.core")
    finally:
        del sys.modules[_PARSER]
