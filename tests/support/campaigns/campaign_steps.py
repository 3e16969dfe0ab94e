"""The steps of a run of campaigns at which it may die, by name: each statement, each commit, each request."""

from dataclasses import dataclass, field
from typing import Any

from crm_relay.platform.database import Row
from crm_relay.platform.http.http_client import Answer
from tests.support.processes.sudden_death import Life, MortalDatabase, MortalHttp

# In the order in which a run comes by; a statement is known by a word that only it has.
STEPS = {
    "look for changes": "delete from hold_changes",
    "release what is held": "with change as (",
    "take turn": "as take_turn",
    "stop the answered": "left join waiting_replies()",
    "claim": "with recursive aside",
    "queue": "insert into email_sends",
    "queue text messages": "insert into sms_sends",
    "record": "insert into campaign_sequence_logs",
    "claim the batch": "for key share of organization skip locked\n),\nturn as materialized",
    "read what the ledgers say": "from email_room(",
    "ask the campaign": "'late_policy', owner.late_policy",
    "freeze": "with verdict as",
    "accept": "update email_batches\nset state = 'done'",
    "lock and read": "order by id for no key update",
    "settle": "update campaign_sequence_logs known",
    "record the mails and commit": "status = now.status, reason = now.reason",
    "claim a text message": "update sms_sends message",
    "record a text message": "update sms_sends\n",
}


@dataclass
class Seen:
    """Which steps a life came by."""

    names: list[str] = field(default_factory=list)


def step_of(sql: str, before: str = "") -> str:
    """The name of a statement; a commit has the name of what it commits."""
    if sql == "commit":
        return f"commit after {before}"
    return next((name for name, word in STEPS.items() if word in sql), "another statement")


class NamedDatabase(MortalDatabase):
    """A mortal database that notes the steps it takes; `life.taken` is the number of the last one."""

    def __init__(self, url: str, life: Life, seen: Seen) -> None:
        super().__init__(url, life)
        self._seen = seen

    def _send(self, sql: str, **more: bool) -> list[list[Row]]:
        self._seen.names.append(step_of(sql, self._seen.names[-1] if self._seen.names else ""))
        return super()._send(sql, **more)


@dataclass
class NamedHttp(MortalHttp):
    """The same for requests."""

    seen: Seen = field(default_factory=Seen)

    def send(self, method: str, path: str, **more: Any) -> Answer:
        """As in HttpClient."""
        self.seen.names.append(f"{method} {path}")
        return super().send(method, path, **more)
