"""Notes in which mode a run sends mail, and says it to everyone who asks whether mail would leave."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal

from crm_relay.mail.models import Mode, SendPolicy
from crm_relay.mail.purposes import CAMPAIGN
from crm_relay.platform.database import Queryable
from crm_relay.platform.sql import queries_beside

_SQL = queries_beside(__file__)

ModeWord = Literal["dry-run", "allow-list", "live"]
"""SEND_MODE."""

SENTENCES: dict[ModeWord, str] = {
    "dry-run": "SEND_MODE is dry-run: campaigns send nothing, and everybody in them keeps their place.",
    "allow-list": "SEND_MODE is allow-list: campaigns send to SEND_ALLOW_LIST alone; everybody else keeps their place.",
    "live": "SEND_MODE is live: campaigns send to everybody.",
}
"""What each mode means, for people."""


@dataclass(frozen=True)
class MailMode:
    """`since` None: no run has sent yet, and `mode` is the setting of the process that answers. `says`: for people."""

    mode: ModeWord
    since: datetime | None
    says: str


def note_mode(db: Queryable, policy: SendPolicy, now: datetime, *, purpose: str = CAMPAIGN) -> None:
    """At the beginning of every run that sends; one statement. What another mode held is asked again by the next."""
    db.run(_SQL["note_mode"], purpose=purpose, mode=policy.mode.value, digest=_digest(policy), now=now)


def mail_mode(db: Queryable, configured: Mode, *, purpose: str = CAMPAIGN) -> MailMode:
    """In which mode the last run sent: the settings of another process do not say. `configured`: before the first."""
    rows = db.run(_SQL["mode_of"], purpose=purpose)
    mode: ModeWord = rows[0]["mode"] if rows else configured.value
    return MailMode(mode, rows[0]["noted_at"] if rows else None, SENTENCES.get(mode, ""))


def counts_late_from(db: Queryable, configured: Mode, now: datetime, *, purpose: str = CAMPAIGN) -> datetime | None:
    """From when lateness counts once everything may leave: nobody is late for what a mode kept. None: from ever."""
    rows = db.run(_SQL["mode_of"], purpose=purpose)
    mode: ModeWord = rows[0]["mode"] if rows else configured.value
    if mode != "live":
        return now
    changed_at: datetime | None = rows[0]["changed_at"] if rows else None
    return changed_at


def _digest(policy: SendPolicy) -> str | None:
    if policy.mode is not Mode.ALLOW_LIST:
        return None
    return sha256("\n".join(sorted(policy.allow_list)).encode()).hexdigest()
