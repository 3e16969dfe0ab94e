"""A provider's answer held against the shape that its wire model gives it."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from crm_relay.platform.errors import ServerFailed
from crm_relay.platform.http.http_client import Answer

W = TypeVar("W", bound=BaseModel)


def parsed(kind: type[W], answer: Answer) -> W:
    """The body in its shape. Raises ServerFailed where it has another: somebody else answered, or another version."""
    try:
        return kind.model_validate(answer.body)
    except ValidationError:
        raise ServerFailed(f"an answer with status {answer.status} is not of the form {kind.__name__}") from None
