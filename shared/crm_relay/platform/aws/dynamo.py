"""One DynamoDB table with the keys pk and sk: conditions, pages, patience with throttling, many writes side by side."""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from crm_relay.platform.aws.queue import aws_client
from crm_relay.platform.errors import FatalError, TransientError

Attributes = dict[str, Any]
"""DynamoDB's own JSON, as the API and the streams have it: {"doc": {"S": "text"}, "version": {"N": "7"}}."""

T = TypeVar("T")
R = TypeVar("R")

SIDE_BY_SIDE = 32
MAX_ITEM_BYTES = 400 * 1024

_TRIES = 6
_PAUSE_SECONDS = 0.05
_KEYS_A_READ = 100
_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TransactionConflictException",
}
_NEVER = {"AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException"}


class ConditionFailed(Exception):
    """The item is not as the condition wants it; `item` is what stands there, None for nothing.

    DynamoDB sends the item along free of charge. Where an answer has none, it is read: an endpoint that does not know
    `ReturnValuesOnConditionCheckFailure` answers as DynamoDB does where there is no item. What is read may be younger
    than the refusal.
    """

    def __init__(self, item: Attributes | None) -> None:
        super().__init__("the condition does not hold")
        self.item = item


class RequestRefused(FatalError):
    """DynamoDB will not take this one request; others may be fine."""


def text(value: str) -> Attributes:
    """As DynamoDB writes it."""
    return {"S": value}


def number(value: int) -> Attributes:
    """As DynamoDB writes it; at most 38 digits."""
    return {"N": str(value)}


def text_in(attributes: Mapping[str, Any], name: str) -> str | None:
    """None where it is missing or of another type."""
    found = attributes.get(name, {}).get("S")
    return found if isinstance(found, str) else None


def number_in(attributes: Mapping[str, Any], name: str, default: int = 0) -> int:
    """`default` where it is missing, of another type or no whole number."""
    found = attributes.get(name, {}).get("N", "")
    return int(found) if re.fullmatch(r"-?\d+", found) else default


def key(pk: str, sk: str) -> Attributes:
    """The key of one item."""
    return {"pk": text(pk), "sk": text(sk)}


def item_bytes(attributes: Mapping[str, Any]) -> int:
    """The size by which DynamoDB refuses more than MAX_ITEM_BYTES: UTF-8 of names and values; numbers at their most.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in attributes.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    return len(value["S"].encode()) if "S" in value else 21


@dataclass(frozen=True)
class Update:
    """What one UpdateItem does. `computed` holds expressions over `#name` and over the values of the condition."""

    sets: Mapping[str, Any] = field(default_factory=dict)
    computed: Mapping[str, str] = field(default_factory=dict)
    removes: Sequence[str] = ()

    def expression(self) -> str:
        """In DynamoDB's language; names as #name, values as :name."""
        parts = [f"#{name} = :{name}" for name in self.sets]
        parts += [f"#{name} = {expression}" for name, expression in self.computed.items()]
        removed = [f"#{name}" for name in self.removes]
        clauses = {"SET": parts, "REMOVE": removed}
        return " ".join(f"{verb} {', '.join(what)}" for verb, what in clauses.items() if what)


class Table:
    """Threads may share it. Methods raise TransientError, FatalError where it can never work, and what they name.

    `calls` counts requests, `items_read` the items that reads were charged for.
    """

    def __init__(self, name: str, *, pause: Callable[[float], None] = time.sleep) -> None:
        self.calls = 0
        self.items_read = 0
        self._name = name
        self._pause = pause
        self._counting = threading.Lock()

    def update(
        self, at: Attributes, update: Update, *, condition: str | None = None, values: Mapping[str, Any] | None = None
    ) -> Attributes:
        """The item as it is afterwards. Raises ConditionFailed, RequestRefused."""
        expression = update.expression()
        given = {f":{name}": value for name, value in {**update.sets, **(values or {})}.items()}
        try:
            found: Attributes = self._conditionally(at, expression, condition, given).get("Attributes", {})
        except _ConditionRefused as refused:
            raise ConditionFailed(refused.item or self._read_one(at)) from None
        return found

    def delete(self, at: Attributes, *, condition: str | None = None, values: Mapping[str, Any] | None = None) -> None:
        """Nothing happens where there is none and no condition wants one. Raises ConditionFailed."""
        try:
            given = {f":{name}": value for name, value in (values or {}).items()}
            self._call("delete_item", TableName=self._name, Key=at, **_conditions("", condition, given))
        except _ConditionRefused as refused:
            raise ConditionFailed(refused.item or self._read_one(at)) from None

    def get_many(self, keys: Sequence[Attributes]) -> list[Attributes]:
        """Those that are there, in any order, read consistently; 100 to a request."""
        found: list[Attributes] = []
        for start in range(0, len(keys), _KEYS_A_READ):
            found += self._get_hundred(keys[start : start + _KEYS_A_READ])
        return found

    def query(
        self, condition: str, values: Mapping[str, str], *, index: str | None = None, page_size: int | None = None
    ) -> Iterator[list[Attributes]]:
        """Page by page, ascending; consistent where no `index` is read."""
        bound = {} if page_size is None else {"Limit": page_size}
        start: dict[str, Any] = {}
        while True:
            page = self._call("query", **self._reading(condition, values, index), **bound, **start)
            self._count(items=page["ScannedCount"])
            yield page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def all_if_small(self) -> list[Attributes] | None:
        """Every item, read consistently, where one page of a Scan (1 MB) holds them all; None where there are more."""
        page = self._call("scan", TableName=self._name, ConsistentRead=True)
        self._count(items=page["ScannedCount"])
        found: list[Attributes] = page["Items"]
        return None if "LastEvaluatedKey" in page else found

    def scan(self) -> Iterator[list[Attributes]]:
        """Every item of the table, read consistently, a page of at most 1 MB at a time."""
        start: dict[str, Any] = {}
        while True:
            page = self._call("scan", TableName=self._name, ConsistentRead=True, **start)
            self._count(items=page["ScannedCount"])
            yield page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def count(self, condition: str, values: Mapping[str, str], *, index: str) -> int:
        """How many items a query would find."""
        total = 0
        start: dict[str, Any] = {}
        while True:
            page = self._call("query", **self._reading(condition, values, index), Select="COUNT", **start)
            self._count(items=page["ScannedCount"])
            total += int(page["Count"])
            if "LastEvaluatedKey" not in page:
                return total
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _reading(self, condition: str, values: Mapping[str, str], index: str | None) -> dict[str, Any]:
        where = {"ConsistentRead": True} if index is None else {"IndexName": index}
        return where | {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": {f":{name}": text(value) for name, value in values.items()},
        }

    def _conditionally(self, at: Attributes, expression: str, condition: str | None, values: Mapping[str, Any]) -> Any:
        arguments: dict[str, Any] = {"UpdateExpression": expression, "ReturnValues": "ALL_NEW"}
        arguments |= _conditions(expression, condition, values)
        return self._call("update_item", TableName=self._name, Key=at, **arguments)

    def _read_one(self, at: Attributes) -> Attributes | None:
        found = self.get_many([at])
        return found[0] if found else None

    def _get_hundred(self, keys: Sequence[Attributes]) -> list[Attributes]:
        found: list[Attributes] = []
        asked: dict[str, Any] = {self._name: {"Keys": list(keys), "ConsistentRead": True}}
        for attempt in range(_TRIES):
            answer = self._call("batch_get_item", RequestItems=asked)
            page = answer["Responses"].get(self._name, [])
            self._count(items=len(page))
            found += page
            asked = answer.get("UnprocessedKeys") or {}
            if not asked:
                return found
            self._wait(attempt)
        raise TransientError("dynamodb batch_get_item: throttled")

    def _call(self, operation: str, **arguments: Any) -> Any:
        for attempt in range(_TRIES):
            self._count(calls=1)
            try:
                return _send(operation, arguments)
            except _Throttled as error:
                failure = error
            self._wait(attempt)
        raise TransientError(str(failure))

    def _wait(self, attempt: int) -> None:
        # Anywhere in a window that doubles, so that those who were throttled together do not come back together.
        self._pause(random.uniform(0, _PAUSE_SECONDS * 2**attempt))  # noqa: S311

    def _count(self, *, calls: int = 0, items: int = 0) -> None:
        with self._counting:
            self.calls += calls
            self.items_read += items


class _Throttled(Exception):
    pass


class _ConditionRefused(Exception):
    """`item` None: there is none, or the answer does not say."""

    def __init__(self, item: Attributes | None) -> None:
        super().__init__("the condition does not hold")
        self.item = item


def _conditions(expression: str, condition: str | None, values: Mapping[str, Any]) -> dict[str, Any]:
    names = set(re.findall(r"#(\w+)", f"{expression} {condition or ''}"))
    arguments: dict[str, Any] = {}
    if condition is not None:
        arguments |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    if values:
        arguments["ExpressionAttributeValues"] = dict(values)
    if names:
        arguments["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
    return arguments


def _send(operation: str, arguments: Mapping[str, Any]) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return getattr(aws_client("dynamodb", SIDE_BY_SIDE), operation)(**arguments)
    except ClientError as error:
        raise _our_error(operation, error.response) from None
    except (BotoCoreError, ValueError) as error:
        raise TransientError(f"dynamodb {operation}: {type(error).__name__}") from None


def _our_error(operation: str, response: Mapping[str, Any]) -> Exception:
    code = response.get("Error", {}).get("Code", "unknown")
    message = f"dynamodb {operation}: {code}"
    if code == "ConditionalCheckFailedException":
        return _ConditionRefused(response.get("Item") or None)
    if code == "ValidationException":
        return RequestRefused(message)
    if code in _THROTTLED:
        return _Throttled(message)
    return FatalError(message) if code in _NEVER else TransientError(message)


def side_by_side(work: Callable[[T], R], over: Sequence[T]) -> list[R]:
    """`work` of each, up to SIDE_BY_SIDE at a time, in the order of `over`; raises what the first of them raised."""
    if len(over) < 2:
        return [work(each) for each in over]
    with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(over)), thread_name_prefix="dynamo") as threads:
        return list(threads.map(work, over))
