"""Twilio's Messages resource in verbs of ours: send a text message, and look one up whose fate is unclear.

https://www.twilio.com/docs/messaging/api/message-resource; errors: https://www.twilio.com/docs/api/errors
"""

import base64
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from crm_relay.platform.errors import FatalError, NoAnswer, NotConnected, RateLimited, RejectedInput, ServerFailed
from crm_relay.platform.http.http_client import Answer, HttpClient
from crm_relay.platform.http.untrusted_json import read_json_object
from crm_relay.providers.answers import (
    ConfigurationWrong,
    Later,
    OptedOut,
    Refused,
    Taken,
    TextAnswer,
    Unclear,
)
from crm_relay.providers.text import TextMessage
from crm_relay.providers.twilio import API_URL
from crm_relay.providers.twilio.text_match import is_same_text

LONGEST_BODY = 1600

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_EVERY_OTHER = frozenset(range(300, 1000))
_NEWEST = 100

# Also Twilio tells whole seconds.
_CLOCKS_MAY_DIFFER = timedelta(seconds=5)

_OPTED_OUT = 21610
# Too many requests, or a queue that is full for the moment.
_LATER = frozenset({20429, 21611, 14107})
# The account, its credentials, its sender or the countries that it may send to.
_OPERATOR = frozenset({20003, 20005, 21212, 21408, 21603, 21606, 21659, 21660, 21703, 21704, 21705})


def is_e164(number: str) -> bool:
    """Whether a number is written as Twilio takes it: plus, country, number, no blanks."""
    return _E164.fullmatch(number) is not None


def open_twilio(
    account_sid: str | None, auth_token: str | None, sender: str | None, *, http: HttpClient | None = None
) -> "Twilio | None":
    """None where nothing is configured: then no text message is sent at all. FatalError where only a part is."""
    if not account_sid and not auth_token and not sender:
        return None
    if not account_sid or not auth_token or not sender:
        raise FatalError("Twilio needs an account SID, a token and a sender; one or two of them are not set")
    return Twilio(http or HttpClient(API_URL, timeout=(5.0, 20.0), repeats=0), account_sid, auth_token, sender)


class Twilio:
    """One account; `sender` is a number of ours or a messaging service (MG…). Raises FatalError for another form."""

    name = "twilio"

    def __init__(self, http: HttpClient, account_sid: str, auth_token: str, sender: str) -> None:
        if not _ACCOUNT.fullmatch(account_sid):
            raise FatalError("a Twilio account SID is AC and 32 hexadecimal digits")
        if not is_e164(sender) and not _SERVICE.fullmatch(sender):
            raise FatalError("a Twilio sender is a number such as +15550100000 or a messaging service (MG…)")
        self._http = http
        self._path = f"/2010-04-01/Accounts/{account_sid}/Messages.json"
        self._sender = {"From" if is_e164(sender) else "MessagingServiceSid": sender}
        credentials = base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}", "Accept": "application/json"}

    def send(self, to: str, body: str) -> TextAnswer:
        """One request; nothing is repeated here. After Unclear ask `find` before sending again.

        `to` is in E.164; `body` has 1 to 1,600 characters. Raises nothing of HTTP.
        """
        if not is_e164(to):
            return Refused("the number is not in E.164")
        if not 1 <= len(body) <= LONGEST_BODY:
            return Refused(f"a text message has 1 to {LONGEST_BODY} characters")
        form = {"To": to, "Body": body, **self._sender}
        try:
            answer = self._http.send(
                "POST", self._path, headers=self._headers, form=form, accept=_EVERY_OTHER, as_text=True
            )
        except NotConnected:
            return Later("no connection")
        except NoAnswer:
            return Unclear("no answer")
        return _answered(answer)

    def find(self, to: str, body: str, since: datetime, known: Collection[str] = ()) -> TextMessage | None:
        """The message with this text that was made for `to` since the first attempt; None where there is none by now.

        `known`: ids of other messages of ours. A request whose answer did not come in time may still be carried out, so
        look a while after it. Not by DateSent: a message that still waits has none. Twilio may rewrite a text (Smart
        Encoding, the prefix of a trial account), so its letters and digits are compared. Errors as in HttpClient.send,
        but of its address, which holds the account, nothing is told; ServerFailed also where only other texts were made
        for `to` since then, one of which may be this one.
        """
        query = urlencode({"To": to, "PageSize": str(_NEWEST)})
        try:
            answer = self._http.send(
                "GET", f"{self._path}?{query}", headers=self._headers, accept=_EVERY_OTHER, as_text=True
            )
        except NotConnected:
            raise NotConnected("Twilio's messages: no connection") from None
        except NoAnswer:
            raise NoAnswer("Twilio's messages: no answer") from None
        content = _object(answer.body)
        if answer.status >= 300 or not isinstance(content.get("messages"), list):
            raise _error(answer)
        earliest = since - _CLOCKS_MAY_DIFFER
        made = [(each.get("body"), _message(each)) for each in content["messages"] if isinstance(each, dict)]
        others = [
            (text, message)
            for text, message in made
            if message is not None and message.sid not in known and (message.created_at or earliest) >= earliest
        ]
        same = next((message for text, message in others if is_same_text(text, body)), None)
        if same is None and others:
            raise ServerFailed("Twilio's messages: another text to this number may be this one")
        return same


def _answered(answer: Answer) -> TextAnswer:
    content = _object(answer.body)
    code = content.get("code") if isinstance(content.get("code"), int) else None
    reason = f"status {answer.status}, code {code or 'none'}"
    if answer.status < 300:
        taken = _message(content)
        return Taken(taken.sid, taken.status) if taken else Unclear("a good status without a message")
    if answer.status == 429 or code in _LATER:
        return Later(reason, _retry_after(answer.headers))
    if code == _OPTED_OUT:
        return OptedOut()
    if answer.status in {401, 403, 404, 405} or answer.status < 400 or code in _OPERATOR:
        return ConfigurationWrong(reason)
    return Refused(reason, code) if answer.status == 400 and code is not None else Unclear(reason)


def _error(answer: Answer) -> Exception:
    text = f"Twilio's messages: status {answer.status}"
    if answer.status == 429:
        return RateLimited(text, _retry_after(answer.headers))
    if answer.status < 300 or answer.status >= 500:
        return ServerFailed(text)
    return RejectedInput(text) if answer.status == 400 else FatalError(text)


def _message(content: Mapping[str, Any]) -> TextMessage | None:
    sid, status = content.get("sid"), content.get("status")
    if not isinstance(sid, str) or not sid:
        return None
    return TextMessage(sid, status if isinstance(status, str) else None, _moment(content.get("date_created")))


def _moment(text: Any) -> datetime | None:
    """RFC 2822, such as `Fri, 24 May 2019 17:44:46 +0000`."""
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _object(text: Any) -> dict[str, Any]:
    try:
        return read_json_object(text.encode())
    except RejectedInput:
        return {}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    seconds = headers.get("retry-after", "")
    return float(seconds) if seconds.isascii() and seconds.isdecimal() and len(seconds) < 10 else None
