"""An e-mail provider in memory that takes one mail a request and knows no keys, as Gmail does."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from crm_relay.platform.errors import RejectedInput
from crm_relay.providers.answers import Accepted, EmailAnswer, Later, RefusedWhole, Unclear

Trouble = Literal["lost_before", "lost_after", "away"]


@dataclass
class KeylessProvider:
    """`troubles` meet the next requests, one each: lost before or after the mail was taken, or not connected."""

    name: str = "keyless"
    largest_batch: int = 1
    has_idempotency_key: bool = False
    taken: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    requests: int = 0

    @property
    def sends(self) -> Counter[str]:
        """Mails that it took, by address."""
        return Counter(mail["to"][0] for mail in self.taken)

    def send_batch(self, payload: bytes, key: str) -> EmailAnswer:
        self.requests += 1
        try:
            mails = self._read(payload)
        except RejectedInput as error:
            return RefusedWhole(error.message, retry_payload=False)
        if len(mails) > self.largest_batch:
            return RefusedWhole("too many mails", retry_payload=True)
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble == "away":
            return Later("no connection")
        if trouble == "lost_before":
            return Unclear("no answer")
        if any("@" not in mail["to"][0] for mail in mails):
            return RefusedWhole("an address is none")
        first = len(self.taken)
        self.taken += mails
        if trouble == "lost_after":
            return Unclear("no answer")
        return Accepted(tuple(f"keyless-{first + place}" for place in range(len(mails))))

    @staticmethod
    def _read(payload: bytes) -> list[dict[str, Any]]:
        try:
            mails = json.loads(payload)
        except ValueError:
            raise RejectedInput("not JSON") from None
        if not isinstance(mails, list) or not mails:
            raise RejectedInput("not an array of mails")
        return mails
