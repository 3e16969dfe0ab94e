"""Gives a topic of the e-mail provider the name that campaigns use for it."""

from datetime import datetime

from crm_relay.incidents.record import close_incidents
from crm_relay.mail.feedback import store
from crm_relay.mail.feedback.apply_event import TOPIC_UNNAMED
from crm_relay.platform.database import Database, Row, Transaction


def name_topic(db: Database, provider: str, external_id: str, topic: str, now: datetime) -> int:
    """How many opt-outs that came under the provider's id count for `topic` from now on. Safe to call twice."""

    def work(tx: Transaction) -> int:
        named = store.name_topic(tx, provider, external_id, topic)
        close_incidents(tx, TOPIC_UNNAMED, [f"{provider}:{external_id}"], now)
        return named

    return db.transact(work)


def topics_of_provider(db: Database, provider: str) -> list[Row]:
    """external_id and topic of those that have a name here."""
    return store.named_topics(db, provider)
