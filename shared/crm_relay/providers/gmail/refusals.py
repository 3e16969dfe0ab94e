"""What an answer of 400 or more leads to; the one place where Google's words become errors.

https://developers.google.com/workspace/gmail/api/guides/handle-errors: `{"error": {"code", "message", "errors":
[{"domain", "reason", "message"}], "status"}}`.
"""

import re
from collections.abc import Mapping
from typing import Any

from crm_relay.platform.errors import FatalError, RateLimited, RejectedInput
from crm_relay.platform.http.http_client import Answer
from crm_relay.providers.connectors.failures import PermissionMissing

RATE_LIMITS = frozenset(
    {
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "quotaExceeded",
        "dailyLimitExceeded",
        "RESOURCE_EXHAUSTED",
    }
)
"""Also with status 403: the request was not carried out, and may be repeated later."""

OF_THE_ACCOUNT = frozenset({"failedPrecondition", "FAILED_PRECONDITION"})
"""Also with status 400, such as a mailbox that is switched off: nothing is wrong with the request."""

OF_A_DAY = frozenset({"dailyLimitExceeded", "quotaExceeded"})
_DAY_SECONDS = 3600.0
_WORD = re.compile(r"[A-Za-z][A-Za-z_]{2,59}")


class GmailRefused(RejectedInput):
    """The request was refused, so surely nothing of it was carried out; the word is Google's."""

    def __init__(self, word: str, status: int) -> None:
        super().__init__(f"Gmail refuses it: {word or 'no reason given'}", status=status)
        self.word = word


def read_reasons(body: Any) -> list[str]:
    """Google's words for what is wrong. Its sentences may quote an address, so they are never shown."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return []
    listed = error.get("errors")
    items = listed if isinstance(listed, list) else []
    said = [each.get("reason") for each in items if isinstance(each, Mapping)]
    return [each for each in (*said, error.get("status")) if isinstance(each, str) and _WORD.fullmatch(each)]


def refusal(answer: Answer) -> Exception | None:
    """As AuthorizedClient asks for it; None for what the status says by itself."""
    words = read_reasons(answer.body)
    if limits := [each for each in words if each in RATE_LIMITS]:
        seconds = _DAY_SECONDS if OF_A_DAY.intersection(limits) else None
        return RateLimited(f"Gmail: {limits[0]}", seconds)
    if answer.status == 429 or answer.status == 401:
        return None
    if answer.status == 403:
        return PermissionMissing(f"Gmail: the account may not do this: {words[0] if words else 'status 403'}")
    if any(each in OF_THE_ACCOUNT for each in words):
        return FatalError("Gmail: the account cannot do this now: failedPrecondition")
    return GmailRefused(words[0] if words else "", answer.status)
