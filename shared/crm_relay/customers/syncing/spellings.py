"""Which spellings of countries and states this Mautic has refused in a run: no later row is sent with one of them."""

from dataclasses import dataclass, field, replace

from crm_relay.customers.drafts import SPELLED, ContactDraft
from crm_relay.providers.mautic.client import ItemResult
from crm_relay.providers.mautic.places.countries import next_country_name


@dataclass
class Spellings:
    """Learned from refusals; the names of countries differ by version, and of states nobody here knows all."""

    _refused: set[tuple[str, object]] = field(default_factory=set)

    def learn(self, sent: ContactDraft, result: ItemResult) -> None:
        """What a row was refused for. Where both are refused, each may still be right without the other."""
        refused = [alias for alias in SPELLED if alias in result.refused_fields and sent.fields.get(alias)]
        self._refused |= {(alias, sent.fields[alias]) for alias in refused}

    def fitted(self, sent: ContactDraft) -> ContactDraft:
        """The draft with the next spelling of what was refused; where there is none, Mautic's value stays as it is."""
        for alias in SPELLED:
            while (alias, sent.fields.get(alias)) in self._refused:
                sent = _other_spelling(sent, alias)
        return sent


def _other_spelling(sent: ContactDraft, alias: str) -> ContactDraft:
    other = next_country_name(str(sent.fields[alias])) if alias == "country" else None
    if other is not None:
        return replace(sent, fields={**sent.fields, alias: other})
    kept = {name: value for name, value in sent.fields.items() if name != alias}
    return replace(sent, fields=kept, left_out=tuple(dict.fromkeys((*sent.left_out, alias))))
