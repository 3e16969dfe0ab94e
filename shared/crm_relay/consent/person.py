"""Whom an erasure concerns: everything by which the rooms may recognise that person."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Person:
    """`addresses` are normalised, `phones` as they were stored; `contact_ids` are Mautic's."""

    addresses: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    customer_ids: frozenset[UUID] = frozenset()
    contact_ids: frozenset[int] = frozenset()

    @property
    def marks(self) -> list[str]:
        """What is unmistakably this person's: addresses and customer ids, as text."""
        return sorted({*self.addresses, *map(str, self.customer_ids)})
