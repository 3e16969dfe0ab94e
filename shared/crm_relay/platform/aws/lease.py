"""A lease in DynamoDB: at most one holder of a name at a time, also after a holder was killed."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from crm_relay.platform.aws.queue import aws_client
from crm_relay.platform.errors import TransientError

_DAY = 86_400


class LeaseLost(TransientError):
    """Somebody else holds the lease by now: stop at once, without writing anything more."""


@dataclass
class Lease:
    """`name` in the coordination table, held for `seconds` from each `acquire` or `renew`.

    `seconds` must be longer than the longest single step that it protects, since a holder that hangs in one cannot know
    that its time is over. Wall clocks are compared across machines: they have to agree within a few seconds.
    """

    table: str
    name: str
    seconds: float
    holder: str = field(default_factory=lambda: secrets.token_hex(8))
    _put_at: float = field(default=float("-inf"), init=False, repr=False, compare=False)

    def acquire(self) -> bool:
        """Take the lease where it is free, expired or already ours; False where somebody else holds it."""
        return self._put()

    def renew(self) -> None:
        """Hold it for `seconds` more. Raises LeaseLost."""
        if not self._put():
            raise LeaseLost(f"the lease {self.name} was lost")

    def keep(self) -> None:
        """Renew once a quarter of the time is over: for loops with many short steps. Raises LeaseLost."""
        if time.monotonic() - self._put_at > self.seconds / 4:
            self.renew()

    def release(self) -> None:
        """Let the next one in at once; nothing happens where the lease is not ours any more."""
        self._conditionally("delete_item", Key={"id": {"S": self._key}}, condition="holder = :me", values=self._me)

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold it for the body of a `with`, however that ends; False where somebody else holds it."""
        ours = self.acquire()
        try:
            yield ours
        finally:
            if ours:
                self.release()

    @property
    def _key(self) -> str:
        return f"lease#{self.name}"

    @property
    def _me(self) -> dict[str, Any]:
        return {":me": {"S": self.holder}}

    def _put(self) -> bool:
        now, self._put_at = time.time(), time.monotonic()
        item = {
            "id": {"S": self._key},
            "holder": {"S": self.holder},
            "lease_until": {"N": f"{now + self.seconds:.3f}"},
            # DynamoDB's own clean-up, days later; the condition below never relies on it.
            "expiration": {"N": str(int(now + self.seconds) + _DAY)},
        }
        values = self._me | {":now": {"N": f"{now:.3f}"}}
        return self._conditionally(
            "put_item",
            Item=item,
            condition="attribute_not_exists(id) OR lease_until < :now OR holder = :me",
            values=values,
        )

    def _conditionally(self, operation: str, *, condition: str, values: dict[str, Any], **arguments: Any) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            getattr(aws_client("dynamodb"), operation)(
                TableName=self.table, ConditionExpression=condition, ExpressionAttributeValues=values, **arguments
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
                return False
            raise TransientError(f"dynamodb {operation}: {error.response.get('Error', {}).get('Code')}") from None
        except (BotoCoreError, ValueError) as error:
            raise TransientError(f"dynamodb {operation}: {type(error).__name__}") from None
        return True
