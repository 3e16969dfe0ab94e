"""What a message of a connected mailbox is to us: whose, a reply, a bounce, or nobody's business; pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from crm_relay.consent.address import normalise
from crm_relay.platform.database import Row
from crm_relay.providers.connectors.mailbox import MailboxMessage
from crm_relay.rules.addresses.mailbox import mailbox_in
from crm_relay.rules.replies.bounce_texts import says_unknown_address
from crm_relay.rules.replies.judge_reply import ReplyVerdict, judge_reply

_OURS = frozenset({"SENT", "DRAFT", "CHAT"})
SPAM = "SPAM"
"""The label of what Gmail takes for spam: where it is watched, only mail of contacts and answers are kept of it."""

_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
_ID = re.compile(r"<[^<>\s]{1,500}>")
_ADDRESSES = re.compile(r"[^\s<>\"'(),:;\[\]]{1,64}@[^\s<>\"'(),:;\[\]@]{1,255}")
_LONGEST = 2_000
_MOST = 50


@dataclass(frozen=True)
class JudgedMail:
    """A message that is kept. `answers`: Message-IDs that it names, the one that it answers first."""

    message: MailboxMessage
    sender: str = field(repr=False)
    verdict: ReplyVerdict
    answers: tuple[str, ...]

    @property
    def is_dead_address(self) -> bool:
        """Whether it reports that an address will never work."""
        return self.verdict.kind == "bounce" and says_unknown_address(self.message.snippet)


def judge_mail(message: MailboxMessage, own: frozenset[str]) -> JudgedMail | None:
    """None for what is not kept: our own mail, and what has no sender. `own`: normalised addresses of our mailboxes."""
    headers = {name: _storable(value) for name, value in message.headers.items()}
    message = replace(message, headers=headers)
    sender = mailbox_in(headers.get("from", ""))
    if sender is None or message.labels & _OURS or normalise(sender) in own:
        return None
    verdict = judge_reply(headers, sender=sender, subject=headers.get("subject"))
    first = _ID.findall(headers.get("in-reply-to", "")[:_LONGEST])[:1]
    # The newest ones stand last.
    others = _ID.findall(headers.get("references", ""))[-_MOST:]
    return JudgedMail(message, sender, verdict, tuple(dict.fromkeys([*first, *others])))


def row_of(mail: JudgedMail, external_id: str) -> dict[str, Any]:
    """As inbox_items has it. `received_at` is the mailbox's time, not the sender's Date."""
    headers = mail.message.headers
    answered = _ID.findall(headers.get("in-reply-to", "")[:_LONGEST])
    references = [each for each in mail.answers if each in headers.get("references", "")]
    message_id = next(iter(_ID.findall(headers.get("message-id", "")[:_LONGEST])), None)
    received = mail.message.received_at
    return {
        "external_id": external_id,
        "from_address": mail.sender,
        "subject": headers["subject"][:_LONGEST] if "subject" in headers else None,
        "received_at": None if received is None else received.isoformat(),
        "to_addresses": _recipients(headers),
        "in_reply_to": answered[0] if answered else None,
        "reference_ids": references,
        # A thread is known by its first mail.
        "thread_id": next(iter([*references, *answered]), message_id),
        "message_id": message_id,
        "is_auto_reply": not mail.verdict.is_person,
        "is_spam": SPAM in mail.message.labels,
    }


@dataclass(frozen=True)
class AnsweredPitch:
    """What a message says of the pitch that it answers. `was_parked`: nobody knew until now whether it had left."""

    pitch: Row
    at: datetime
    mail: JudgedMail

    @property
    def was_parked(self) -> bool:
        return self.pitch["status"] in {"unknown", "sending"}

    def as_row(self) -> dict[str, Any]:
        """For `record_answered`."""
        kind, at = self.mail.verdict.kind, self.at.isoformat()
        return {
            "id": str(self.pitch["id"]),
            "replied_at": at if kind == "person" else None,
            "bounced_at": at if kind == "bounce" else None,
        }


def answered_pitches(mails: Sequence[JudgedMail], pitches: Sequence[Row], now: datetime) -> list[AnsweredPitch]:
    """By the Message-ID that a mail names, else by the conversation that the pitch began."""
    by_id = {row["message_id"]: row for row in pitches if row["message_id"]}
    by_thread = {row["external_thread_id"]: row for row in pitches if row["external_thread_id"]}
    found = []
    for mail in mails:
        named = next((by_id[each] for each in mail.answers if each in by_id), None)
        pitch = named or by_thread.get(mail.message.thread_id)
        if pitch is not None:
            found.append(AnsweredPitch(pitch, mail.message.received_at or now, mail))
    return found


def _recipients(headers: Mapping[str, str]) -> list[str]:
    """By a plus-address among them a reply finds the mail that it answers."""
    text = ", ".join(headers.get(name, "")[: _LONGEST * 5] for name in ("to", "cc", "delivered-to"))
    places = {place for each in _ADDRESSES.findall(text) if (place := normalise(each)) is not None}
    return sorted(places)[:_MOST]


def _storable(text: str) -> str:
    """What no database can hold is left out."""
    return _NOT_STORABLE.sub("", text)
