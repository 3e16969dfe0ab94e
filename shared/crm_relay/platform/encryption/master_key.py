"""The key that keeps data keys: a key of AWS KMS, or a file on a laptop."""

import base64
import binascii
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from crm_relay.platform.aws.queue import aws_call
from crm_relay.platform.encryption.sealed_text import KEY_BYTES, open_sealed, seal
from crm_relay.platform.errors import FatalError

_FILE = "file:"
_CONTEXT = {"crm_relay": "connections"}


class MasterKey(Protocol):
    """Encrypts data keys. `name` says which key it is, and is stored beside what it encrypted."""

    @property
    def name(self) -> str: ...

    def wrap(self, data_key: bytes) -> bytes:
        """Encrypted. Raises TransientError where it cannot be asked now, FatalError where it never can."""

    def unwrap(self, encrypted: bytes) -> bytes:
        """The data key. Errors as in `wrap`."""


def open_master_key(setting: str) -> MasterKey:
    """Of CONNECTION_KEY: `file:` and a path, else the id, ARN or alias of a KMS key. Nothing is read or asked yet."""
    if setting.startswith(_FILE):
        return KeyFile(Path(setting.removeprefix(_FILE)))
    return KmsKey(setting)


@dataclass(frozen=True)
class KmsKey:
    """A symmetric key of AWS KMS; the function needs kms:Encrypt and kms:Decrypt on it."""

    name: str

    def wrap(self, data_key: bytes) -> bytes:
        """Errors as in aws_call."""
        answer = aws_call("kms", "encrypt", KeyId=self.name, Plaintext=data_key, EncryptionContext=_CONTEXT)
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, encrypted: bytes) -> bytes:
        """Errors as in aws_call."""
        answer = aws_call("kms", "decrypt", KeyId=self.name, CiphertextBlob=encrypted, EncryptionContext=_CONTEXT)
        return bytes(answer["Plaintext"])


@dataclass(frozen=True)
class KeyFile:
    """32 bytes in base64, readable by nobody else; made on first use. Without it no token can be read any more."""

    path: Path

    @property
    def name(self) -> str:
        """The same for every file: its path may move."""
        return "file"

    def wrap(self, data_key: bytes) -> bytes:
        """Raises FatalError where the file cannot be read or made."""
        return seal(self._key(), base64.b64encode(data_key).decode(), self.name)

    def unwrap(self, encrypted: bytes) -> bytes:
        """Raises FatalError where the file is another one, or cannot be read."""
        return base64.b64decode(open_sealed(self._key(), encrypted, self.name))

    def _key(self) -> bytes:
        try:
            if not self.path.exists():
                _create(self.path)
            key = base64.b64decode(self.path.read_bytes(), validate=True)
        except (OSError, binascii.Error):
            raise FatalError("CONNECTION_KEY: the key file cannot be read, or is not base64") from None
        if len(key) != KEY_BYTES:
            raise FatalError(f"CONNECTION_KEY: the key file has to hold {KEY_BYTES} bytes in base64")
        return key


def _create(path: Path) -> None:
    """Whole or not at all, also where two processes do it at once: the first one's stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
