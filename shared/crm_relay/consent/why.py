"""What the ledger knows about somebody, for `crm-relay why`."""

from crm_relay.consent.address import normalise, normalise_phone
from crm_relay.consent.erase import erased_key
from crm_relay.consent.models import ConsentEntry
from crm_relay.consent.store import entries_of, erasure_salt
from crm_relay.platform.database import Queryable


def history(db: Queryable, *marks: str) -> list[ConsentEntry]:
    """All lines about these e-mail addresses, phone numbers and customers' ids, of every organization, oldest first.

    Of somebody who was erased only the hash stands there; who knows the address finds it.
    """
    filed = {form for mark in marks for form in (mark, normalise(mark), normalise_phone(mark)) if form is not None}
    salt = erasure_salt(db)
    return entries_of(db, sorted(filed | {erased_key(form, salt) for form in filed}))
