"""Results of a batch: a gzipped tar of JSON files behind a signed address, which is as foreign as any other input."""

import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import ValidationError

from crm_relay.platform.errors import ServerFailed
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.mailchimp.wire import BatchResult

_HOSTS = (".amazonaws.com", ".mailchimp.com")
"""Where Mailchimp keeps them; the specification names no host."""

_MOST_DOWNLOADED = 16 * 1024 * 1024
_MOST_UNPACKED = 64 * 1024 * 1024
_MOST_FILES = 2_000


def fetch_results(http: HttpClient, address: str) -> dict[str, BatchResult]:
    """By operation. No token goes there, and no redirect is followed.

    Raises ServerFailed for an address or a file that cannot be one of Mailchimp's, NoAnswer, NotConnected.
    """
    parts = urlsplit(address)
    client = _client(http, parts.scheme, parts.netloc, parts.hostname)
    # As a query apart from the path: the path stands in messages, and the signature alone opens the file.
    answer = client.send("GET", parts.path, query=dict(parse_qsl(parts.query)), most_bytes=_MOST_DOWNLOADED)
    return {each.operation_id: each for each in _results(answer.body)}


def _client(http: HttpClient, scheme: str, place: str, host: str | None) -> HttpClient:
    base = urlsplit(http.base_url)
    if (scheme, place) == (base.scheme, base.netloc):
        return http
    if scheme != "https" or host is None or place != host or not host.endswith(_HOSTS):
        raise ServerFailed("Mailchimp names a file of results at an address that is not one of its own")
    return HttpClient(f"https://{host}", timeout=http.timeout, repeats=0)


def _results(packed: bytes) -> Iterator[BatchResult]:
    try:
        for text in _files(packed):
            found: Any = json.loads(text)
            for each in found if isinstance(found, list) else [found]:
                yield BatchResult.model_validate(each)
    except (ValueError, ValidationError, tarfile.TarError, zlib.error, EOFError, OSError):
        raise ServerFailed("a file of Mailchimp's results cannot be read") from None


def _files(packed: bytes) -> Iterator[bytes]:
    """The JSON files of the archive; what is no plain file is passed over."""
    with tarfile.open(fileobj=io.BytesIO(_unpacked(packed)), mode="r:") as archive:
        for number, member in enumerate(archive):
            if number >= _MOST_FILES:
                raise ServerFailed("a file of Mailchimp's results has too many parts")
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                yield content.read()


def _unpacked(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    found = unpacker.decompress(packed, _MOST_UNPACKED)
    if unpacker.unconsumed_tail:
        raise ServerFailed("a file of Mailchimp's results is too large")
    if not unpacker.eof:
        raise ServerFailed("a file of Mailchimp's results is cut off")
    return found
