"""What the ledger knows about one address, for `crm-relay why`."""

from crm_relay.consent.address import normalise, normalise_phone
from crm_relay.consent.erase import erased_key
from crm_relay.consent.models import LedgerEntry
from crm_relay.consent.store import entries_of, erasure_salt
from crm_relay.platform.database import Runs


def history(db: Runs, address: str) -> list[LedgerEntry]:
    """All lines about an e-mail address or a phone number, of every organization, oldest first.

    Of somebody who was erased only the hash stands there; who knows the address finds it.
    """
    keys = [key for key in (normalise(address), normalise_phone(address)) if key is not None]
    salt = erasure_salt(db)
    return entries_of(db, keys + [erased_key(key, salt) for key in keys])
