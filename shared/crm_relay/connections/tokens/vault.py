"""Encrypts and decrypts what is stored of connections, by data keys that are unwrapped once an environment."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crm_relay.connections.tokens import store
from crm_relay.platform.database import Queryable
from crm_relay.platform.encryption.master_key import MasterKey
from crm_relay.platform.encryption.sealed_text import KEY_BYTES, open_sealed, seal
from crm_relay.platform.errors import FatalError


@dataclass
class Vault:
    """One an environment. The key service is asked once for each data key, and never while a refresh is under way."""

    master_key: MasterKey
    _keys: dict[int, bytes] = field(default_factory=dict, repr=False)
    _wrapped: dict[int, bytes] = field(default_factory=dict, repr=False)
    _newest: int | None = None

    def prepare(self, db: Queryable) -> None:
        """Have the newest data key at hand; make the first one where there is none. Safe side by side.

        Errors of the key service are raised here, before a vendor is asked for anything.
        """
        if self._newest is not None:
            return
        self._read(db)
        if not self._wrapped:
            self._add(db, 1)
        newest = max(self._wrapped)
        self._unwrap(newest)
        self._newest = newest

    def add_key(self, db: Queryable) -> int:
        """A new data key, with which everything is encrypted from now on; its version.

        No other one is opened for it: that is the way on where the key that keeps them was lost.
        """
        self._read(db)
        self._add(db, max(self._wrapped, default=0) + 1)
        self.forget()
        self.prepare(db)
        return self.newest

    def forget(self) -> None:
        """The next use reads the keys again."""
        self._newest = None

    @property
    def newest(self) -> int:
        """The version that encrypts. FatalError before `prepare`."""
        if self._newest is None:
            raise FatalError("the data key is not prepared")
        return self._newest

    def seal(self, credentials: Mapping[str, Any], connection_id: UUID, generation: int) -> bytes:
        """By the newest key; bound to the connection and the generation."""
        return seal(self._keys[self.newest], json.dumps(dict(credentials)), _owner(connection_id, generation))

    def open(self, db: Queryable, sealed: bytes, version: int, connection_id: UUID, generation: int) -> dict[str, Any]:
        """What was sealed. Errors as in open_sealed."""
        opened = json.loads(open_sealed(self._key(db, version), sealed, _owner(connection_id, generation)))
        return dict(opened)

    def seal_text(self, text: str, belongs_to: str) -> bytes:
        """Other text than credentials, such as the verifier of an OAuth start."""
        return seal(self._keys[self.newest], text, belongs_to)

    def open_text(self, db: Queryable, sealed: bytes, version: int, belongs_to: str) -> str:
        """What `seal_text` sealed."""
        return open_sealed(self._key(db, version), sealed, belongs_to)

    def _key(self, db: Queryable, version: int) -> bytes:
        if version not in self._wrapped:
            # Another environment may have added it.
            self._read(db)
            self._newest = None
            self.prepare(db)
        if version not in self._wrapped:
            raise FatalError("a secret is encrypted by a data key that is not there")
        return self._unwrap(version)

    def _unwrap(self, version: int) -> bytes:
        """Each when it is needed: one that cannot be opened any more stops only what it encrypted."""
        if version not in self._keys:
            self._keys[version] = self.master_key.unwrap(self._wrapped[version])
        return self._keys[version]

    def _read(self, db: Queryable) -> None:
        self._wrapped |= dict(store.data_keys(db))

    def _add(self, db: Queryable, version: int) -> None:
        store.add_data_key(db, version, self.master_key.wrap(secrets.token_bytes(KEY_BYTES)), self.master_key.name)
        self._read(db)


def _owner(connection_id: UUID, generation: int) -> str:
    return f"{connection_id}:{generation}"
