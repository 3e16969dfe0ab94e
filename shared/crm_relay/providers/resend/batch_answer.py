"""From Resend's answer to a batch to what the caller has to do next; pure.

https://resend.com/docs/dashboard/emails/batch-sending and /idempotency-keys.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ValidationError

from crm_relay.providers.answers import (
    Accepted,
    ConfigurationWrong,
    EmailAnswer,
    KeyMisused,
    Later,
    QuotaExhausted,
    RefusedWhole,
    Unclear,
)
from crm_relay.providers.resend.api import ResendReply
from crm_relay.providers.resend.redaction import without_addresses
from crm_relay.providers.resend.wire import ResendBatchAnswer

_CONTENT = frozenset({400, 413, 415, 422})
# What is answered for the whole account or by a wrong address, 3xx among it.
_OPERATOR = frozenset({401, 402, 403, 404, 405, 407, 410, 451}) | frozenset(range(300, 400))
_QUOTAS: Mapping[str | None, Literal["day", "month"]] = {
    "daily_quota_exceeded": "day",
    "monthly_quota_exceeded": "month",
}
_ABOUT_THE_KEY = "invalid_idempotency_key"


def read_batch_answer(reply: ResendReply, mails: int) -> EmailAnswer:
    """`mails`: how many the batch held. What no page explains may have been sent."""
    if 200 <= reply.status < 300:
        return _accepted(reply.body, mails)
    if reply.status == 429:
        period = _QUOTAS.get(reply.name)
        return QuotaExhausted(period, reply.seconds) if period else Later(reply.reason, reply.seconds)
    if reply.status == 409 and reply.name == "invalid_idempotent_request":
        return KeyMisused()
    if reply.status in _CONTENT:
        return RefusedWhole(reply.reason, retry_payload=reply.name != _ABOUT_THE_KEY, is_named=reply.name is not None)
    if reply.status in _OPERATOR:
        # The names of 403: a domain that is not verified is a validation_error, all others are about the key.
        return ConfigurationWrong(reply.reason, of_sender=reply.status == 403 and reply.name == "validation_error")
    return Unclear(reply.reason)


def _accepted(body: Any, mails: int) -> Accepted | Unclear:
    """`data` holds the mails that were made, in order, and `errors` the position of every other one.

    A list with an entry a mail is read as well, null where one was refused.
    """
    try:
        answer = ResendBatchAnswer.model_validate(body)
    except ValidationError:
        return Unclear("a good status with another body than that of a batch")
    problems = {error.index: without_addresses(error.message or "refused") for error in answer.errors}
    ids = iter(answer.data)
    if len(answer.data) == mails:
        found = list(ids)
    elif len(answer.data) == mails - len(problems):
        found = [None if position in problems else next(ids, None) for position in range(mails)]
    else:
        return Unclear("the answer counts other mails than the batch")
    if {position for position, email_id in enumerate(found) if email_id is None} != problems.keys():
        return Unclear("the answer does not say of every mail what became of it")
    return Accepted(tuple(found), problems)
