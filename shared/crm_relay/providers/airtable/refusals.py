"""What an answer of 400 or more leads to; the one place where Airtable's words become errors."""

from crm_relay.platform.errors import RejectedInput, TransientError
from crm_relay.platform.http.http_client import Answer
from crm_relay.providers.airtable.vocabulary import (
    BILLING_LIMIT,
    FIELD_GONE,
    FORMULA_REFUSED,
    ITERATOR_GONE,
    NOT_ALLOWED,
    ROW_GONE,
    read_error,
)
from crm_relay.providers.connectors.failures import BillingLimit, PermissionMissing


class AirtableRefused(RejectedInput):
    """The request was refused as a whole, so surely nothing of it was carried out.

    `sentence` is Airtable's and may quote a value: only names that we know already are ever taken from it.
    """

    def __init__(self, word: str, status: int, sentence: str) -> None:
        super().__init__(f"Airtable refuses it: {word or 'no reason given'}", status=status)
        self.word = word
        self.sentence = sentence

    @property
    def is_row_gone(self) -> bool:
        """A row that the request names is not in the table any more."""
        return self.word in ROW_GONE

    @property
    def is_field_gone(self) -> bool:
        """A field that the request names is not in the table any more."""
        return self.word == FIELD_GONE

    @property
    def is_of_formula(self) -> bool:
        """The table cannot be filtered by the formula of the request."""
        return self.word == FORMULA_REFUSED


class IteratorGone(TransientError):
    """The listing that was being read is not known any more: they end after some minutes without a request."""


def refusal(answer: Answer) -> Exception | None:
    """As AuthorizedClient asks for it; None for what the status says by itself."""
    word, sentence = read_error(answer.body)
    if word == BILLING_LIMIT:
        return BillingLimit("the calls of Airtable's plan are used up for this month")
    if answer.status == 429:
        return None
    if answer.status == 403 or word in NOT_ALLOWED:
        return PermissionMissing("Airtable: the account may not do this, or the base or table is not there any more")
    if word == ITERATOR_GONE:
        return IteratorGone("Airtable no longer knows this listing")
    return AirtableRefused(word, answer.status, sentence) if answer.status in {400, 413, 422} else None
