"""What is done about DynamoDB's refusals, and how it counts an item's size."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from crm_relay.platform.aws import dynamo
from crm_relay.platform.aws.dynamo import ConditionFailed, RequestRefused, Table, Update, item_bytes, key, number, text
from crm_relay.platform.errors import FatalError, TransientError


def refusal(code: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code}, **more}, "UpdateItem")


class Client:
    """Raises what it is given, one a call; then answers."""

    def __init__(self, *failures: Exception, there: Any = None) -> None:
        self.failures, self.there = list(failures), there

    def update_item(self, **_arguments: Any) -> Any:
        if self.failures:
            raise self.failures.pop(0)
        return {"Attributes": {"doc": {"S": "x"}}}

    def batch_get_item(self, **_arguments: Any) -> Any:
        return {"Responses": {"edge": [self.there] if self.there else []}}


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def table(pauses: list[float]) -> Table:
    return Table("edge", pause=pauses.append)


def update(table: Table, monkeypatch: pytest.MonkeyPatch, *failures: Exception, there: Any = None) -> Any:
    client = Client(*failures, there=there)
    monkeypatch.setattr(dynamo, "aws_client", lambda *_: client)
    return table.update(key("a", "b"), Update({"doc": text("x")}))


def test_what_was_throttled_is_tried_again_after_longer_and_longer_pauses(
    table: Table, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    throttled = [refusal("ProvisionedThroughputExceededException") for _ in range(4)]
    assert update(table, monkeypatch, *throttled) == {"doc": {"S": "x"}}
    assert table.calls == 5
    assert all(0 <= pause <= 0.05 * 2**attempt for attempt, pause in enumerate(pauses))


def test_throttling_without_an_end_is_left_for_later(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TransientError, match="ThrottlingException"):
        update(table, monkeypatch, *[refusal("ThrottlingException") for _ in range(20)])


@pytest.mark.parametrize(
    ("failure", "ours"),
    [
        (refusal("AccessDeniedException"), FatalError),
        (refusal("ResourceNotFoundException"), FatalError),
        (refusal("ValidationException"), RequestRefused),
        (refusal("InternalServerError"), TransientError),
        (EndpointConnectionError(endpoint_url="x"), TransientError),
    ],
)
def test_refusals_become_our_errors(
    failure: Exception, ours: type[Exception], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ours):
        update(table, monkeypatch, failure)


def test_a_condition_that_fails_tells_what_stands_there(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConditionFailed) as failed:
        update(table, monkeypatch, refusal("ConditionalCheckFailedException", Item={"version": {"N": "7"}}))
    assert failed.value.item == {"version": {"N": "7"}}


def test_a_condition_that_fails_without_a_word_of_the_item_has_it_read(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So answer endpoints that do not know ReturnValuesOnConditionCheckFailure, and DynamoDB where there is no item."""
    for there in ({"version": {"N": "7"}}, None):
        with pytest.raises(ConditionFailed) as failed:
            update(table, monkeypatch, refusal("ConditionalCheckFailedException"), there=there)
        assert failed.value.item == there


def test_a_size_is_that_of_names_and_values_in_bytes() -> None:
    assert item_bytes({"doc": text("€")}) == 3 + 3
    assert item_bytes({"version": number(7)}) >= len("version") + 2
