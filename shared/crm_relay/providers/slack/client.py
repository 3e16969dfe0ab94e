"""Slack's incoming webhooks: one address is one channel, and the address is the secret.

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from crm_relay.platform.errors import FatalError, RejectedInput, ServerFailed
from crm_relay.platform.http.http_client import HttpClient
from crm_relay.providers.slack.message_text import LONGEST_TEXT, MOST_BLOCKS, cut, escape, paragraph

_HOST = "hooks.slack.com"
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_ANSWERED = frozenset({400, 403, 404, 410})
_DISABLED = frozenset({403, 404, 410})
# Whatever status they come with: the statuses are not documented, the words are.
_DISABLED_WORDS = {
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "invalid_token",
    "no_active_hooks",
    "no_service",
    "no_team",
    "posting_to_general_channel_denied",
    "team_disabled",
    "user_not_found",
}
_WORD = re.compile(r"[a-z][a-z_]{1,60}")


class Slack:
    """One channel by its webhook's address, which stands in no message and in no log.

    Raises FatalError for an address that is not one of Slack's; loopback is allowed for a simulator. A second message
    within a second may be answered RateLimited.
    """

    def __init__(self, webhook_url: str, *, timeout: tuple[float, float] = (5.0, 10.0)) -> None:
        if not _is_allowed(webhook_url):
            raise FatalError("the address of a Slack webhook must begin with https://hooks.slack.com/services/")
        # The whole address is the base, because the path of a request stands in messages.
        self._http = HttpClient(webhook_url, timeout=timeout, repeats=0)

    def post(self, text: str, blocks: Sequence[str | Mapping[str, Any]] | None = None) -> None:
        """One message; what is too long is cut. `text` is plain, and what is seen where blocks are not.

        A block that is a string becomes a paragraph of plain text with Slack's *marks*; a mapping is sent as it is, so
        its author escapes what came from outside. Raises FatalError where the destination was disabled, with
        Slack's word for why, RateLimited, RejectedInput for a message that Slack refuses, ServerFailed, and NoAnswer,
        after which the message may stand in the channel.
        """
        body: dict[str, Any] = {"text": cut(escape(text), LONGEST_TEXT), "unfurl_links": False}
        if blocks:
            body["blocks"] = _blocks(blocks)
        answer = self._http.send("POST", "", json=body, accept=_ANSWERED, as_text=True)
        word = _word(answer.body)
        if answer.status in _DISABLED or word in _DISABLED_WORDS:
            raise FatalError(f"Slack: destination disabled, {word}")
        if answer.status == 400:
            raise RejectedInput(f"Slack refuses the message: {word}")
        if word != "ok":
            raise ServerFailed(f"Slack: status {answer.status} without ok")


def _blocks(blocks: Sequence[str | Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    made = [paragraph(escape(each)) if isinstance(each, str) else each for each in blocks]
    if len(made) <= MOST_BLOCKS:
        return made
    left_out = len(made) - MOST_BLOCKS + 1
    return [*made[: MOST_BLOCKS - 1], paragraph(f"… and {left_out} more")]


def _word(body: Any) -> str:
    """Slack's machine word; anything else is not repeated."""
    text = body.strip() if isinstance(body, str) else ""
    return text if _WORD.fullmatch(text) else "no reason given"


def _is_allowed(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if host in _LOOPBACK:
        return parts.scheme in {"http", "https"}
    plain = parts.username is None and port in {None, 443} and not parts.query and not parts.fragment
    return parts.scheme == "https" and host == _HOST and plain and parts.path.startswith("/services/")
