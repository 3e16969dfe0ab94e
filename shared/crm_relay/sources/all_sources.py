"""Every source there is, by the name that is stored with its deliveries."""

from crm_relay.sources.bison import bison_source
from crm_relay.sources.mailchimp import MAILCHIMP
from crm_relay.sources.mautic import MAUTIC
from crm_relay.sources.resend import RESEND
from crm_relay.sources.unsubscribe import UNSUBSCRIBE
from crm_relay.webhooks.source import Redactors, Sources


def all_sources(bison_instance: str) -> Sources:
    """As `bison_source` has it. For what applies stored deliveries; a webhook imports its own source alone."""
    return {source.name: source for source in (MAUTIC, bison_source(bison_instance), RESEND, UNSUBSCRIBE, MAILCHIMP)}


REDACTORS: Redactors = {name: source.redact for name, source in all_sources("").items()}
"""For erasure and explanation, which apply nothing."""
