"""What events that came before the fate of their mails was known mean for anyone who is enrolled."""

from collections.abc import Sequence
from datetime import datetime

from crm_relay.campaigns.engine import follow_store
from crm_relay.campaigns.engine.follow_mail import Followed
from crm_relay.campaigns.engine.settle import settle
from crm_relay.campaigns.follow_up import departures_of
from crm_relay.mail.feedback.mail_names import MailNames
from crm_relay.mail.models import Settled
from crm_relay.platform.database import Transaction


def settle_and_follow(tx: Transaction, settled: Sequence[Settled], now: datetime) -> None:
    """As `settle`, and what the events mean that came before the fate of these mails was known; a rare path.

    In the transaction that has locked and recorded the mails. Safe to call twice.
    """
    settle(tx, settled, now)
    seen = [each.send_id for each in settled if each.has_events]
    if not seen:
        return
    names = MailNames(sends=tuple(sorted(seen)))
    departures = departures_of(tx.send_all([follow_store.fates(names)])[0])
    followed = Followed(names, (MailNames(), sorted({each.address for each in departures})))
    wanted = {**followed.locks(), **followed.reads()}
    rows = followed.rows(dict(zip(wanted, tx.send_all(list(wanted.values())), strict=True)))
    tx.send_all(list(followed.writes(rows, (), departures, now)))
