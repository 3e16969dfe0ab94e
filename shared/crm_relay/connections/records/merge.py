"""Decides, field by field, which side's value holds; pure.

For every linked record each mapped field remembers what both sides held when they last agreed, as two keyed hashes. A
side has changed a field where its value is no longer that one, so what we wrote ourselves is never taken for a change
of theirs, and a vendor that rounds what it is given does not make us send it again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from crm_relay.consent.address import normalise
from crm_relay.providers.connectors.contract import FieldRule, FieldValue

MATCH = "email"
_NOTHING = ""
Verdict = Literal["equal", "in", "out"]


@dataclass(frozen=True)
class Agreed:
    """What both sides held of a field when they last agreed; empty: never, or it has to be sent.

    `field` stands for the field there: a column that is mapped to another one has never agreed with it.
    """

    ours: str = _NOTHING
    theirs: str = _NOTHING
    field: str = _NOTHING

    def __str__(self) -> str:
        return f"{self.ours}:{self.theirs}:{self.field}"

    @classmethod
    def parse(cls, text: object) -> "Agreed":
        """As `str` wrote it; anything else means that they never agreed."""
        parts = text.split(":") if isinstance(text, str) else []
        return cls(*parts) if len(parts) == 3 else cls()


def field_mark(rule: FieldRule) -> str:
    """Short, and another one for each field there."""
    return hashlib.blake2b(rule.theirs.encode(), digest_size=4).hexdigest()


@dataclass(frozen=True)
class Merged:
    """What a comparison of one record leads to.

    `incoming`: our columns and the values that they get. `outgoing`: the fields that have to be sent. `agreed`: what is
    remembered once `incoming` is written. `conflicts`: fields that both sides had changed.
    """

    incoming: Mapping[str, FieldValue] = field(repr=False)
    outgoing: tuple[str, ...]
    agreed: Mapping[str, Agreed]
    conflicts: tuple[str, ...]


@dataclass(frozen=True)
class Hasher:
    """Hashes of one connection: the same address has another hash in each."""

    key: bytes

    def of(self, name: str, value: FieldValue) -> str:
        """12 hexadecimal digits of one value."""
        text = f"{type(value).__name__}:{comparable(name, value)}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=6, key=self.key).hexdigest()

    def of_record(self, their_id: str, fields: Mapping[str, str]) -> str:
        """Of the hashes of its fields, by name."""
        text = "\x1f".join([their_id, *(f"{name}={fields[name]}" for name in sorted(fields))])
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=7, key=self.key).hexdigest()


def comparable(name: str, value: FieldValue) -> FieldValue:
    """What makes two values the same: text without outer blanks, an address as the CRM normalises it."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if name == MATCH:
        return normalise(text) or text.lower() or None
    return text or None


def merge(
    rules: Sequence[FieldRule],
    ours: Mapping[str, FieldValue],
    theirs: Mapping[str, FieldValue],
    agreed: Mapping[str, Agreed],
    hasher: Hasher,
    *,
    theirs_is_later: bool,
) -> Merged:
    """`theirs_is_later`: who wins a field of the owner `latest` that both sides have changed."""
    incoming: dict[str, FieldValue] = {}
    outgoing, conflicts, known = [], [], {}
    for rule in rules:
        our_value, their_value = ours.get(rule.ours), theirs.get(rule.ours)
        our_hash, their_hash = hasher.of(rule.ours, our_value), hasher.of(rule.ours, their_value)
        before = agreed.get(rule.ours, Agreed())
        changed = (our_hash != before.ours, their_hash != before.theirs)
        verdict = _verdict(rule, our_value, their_value, changed, before, theirs_is_later=theirs_is_later)
        if verdict == "in":
            incoming[rule.ours] = comparable(rule.ours, their_value)
            known[rule.ours] = Agreed(hasher.of(rule.ours, incoming[rule.ours]), their_hash, field_mark(rule))
        elif verdict == "out":
            outgoing.append(rule.ours)
            known[rule.ours] = Agreed(_NOTHING, their_hash, field_mark(rule))
        else:
            known[rule.ours] = Agreed(our_hash, their_hash, field_mark(rule))
        if verdict != "equal" and all(changed) and before.theirs:
            conflicts.append(rule.ours)
    return Merged(incoming, tuple(outgoing), known, tuple(conflicts))


def _verdict(
    rule: FieldRule,
    ours: FieldValue,
    theirs: FieldValue,
    changed: tuple[bool, bool],
    before: Agreed,
    *,
    theirs_is_later: bool,
) -> Verdict:
    ours_changed, theirs_changed = changed
    if comparable(rule.ours, ours) == comparable(rule.ours, theirs):
        return "equal"
    if not ours_changed and not theirs_changed:
        # A vendor that holds our value in its own way.
        return "equal"
    if theirs is None and (rule.ours == MATCH or not before.theirs):
        # An address is never emptied, and what was blank before both met wins over nothing.
        return "out"
    if ours is None and not before.theirs:
        return "in"
    if rule.owner != "latest":
        return "in" if rule.owner == "theirs" else "out"
    if ours_changed and theirs_changed:
        return "in" if theirs_is_later else "out"
    return "in" if theirs_changed else "out"


def is_later(theirs: datetime | None, ours: datetime | None) -> bool:
    """Whether they changed it after us; where they do not say when, ours holds."""
    return theirs is not None and (ours is None or theirs > ours)


def to_send(
    rules: Sequence[FieldRule], ours: Mapping[str, FieldValue], agreed: Mapping[str, Agreed] | None, hasher: Hasher
) -> dict[str, FieldValue]:
    """What a record of ours has to be given there; all of it where it is not there yet (`agreed` None)."""
    if agreed is None:
        return {rule.ours: comparable_out(ours.get(rule.ours)) for rule in rules}
    return {
        rule.ours: comparable_out(ours.get(rule.ours))
        for rule in rules
        if (rule.owner != "theirs" or not agreed.get(rule.ours, Agreed()).ours)
        and hasher.of(rule.ours, ours.get(rule.ours)) != agreed.get(rule.ours, Agreed()).ours
    }


def comparable_out(value: FieldValue) -> FieldValue:
    """As it is sent: text without outer blanks, nothing as None."""
    return (value.strip() or None) if isinstance(value, str) else value


def agreed_after_write(
    rules: Sequence[FieldRule],
    sent: Mapping[str, FieldValue],
    held: Mapping[str, FieldValue] | None,
    before: Mapping[str, Agreed],
    hasher: Hasher,
) -> dict[str, Agreed]:
    """Once the other side confirmed it. `held`: what it holds now, where it says so."""
    marks = {rule.ours: field_mark(rule) for rule in rules}
    written = {
        name: Agreed(hasher.of(name, value), hasher.of(name, (held or sent).get(name, value)), marks[name])
        for name, value in sent.items()
    }
    return {**before, **written}


def parse_agreed(stored: object, rules: Sequence[FieldRule]) -> dict[str, Agreed]:
    """Of the column `fields`: of the fields that are mapped now, as they are mapped now."""
    content = stored if isinstance(stored, Mapping) else {}
    known = {rule.ours: Agreed.parse(content[rule.ours]) for rule in rules if rule.ours in content}
    marks = {rule.ours: field_mark(rule) for rule in rules}
    return {name: each for name, each in known.items() if each.field == marks[name]}


def sent_fields(rules: Sequence[FieldRule], sent: Mapping[str, FieldValue], hasher: Hasher) -> dict[str, str]:
    """What is remembered of a request before it is made, for `with_sent`."""
    marks = {rule.ours: field_mark(rule) for rule in rules}
    hashes = {name: hasher.of(name, value) for name, value in sent.items()}
    return {name: str(Agreed(hashed, hashed, marks[name])) for name, hashed in hashes.items()}


def with_sent(
    rules: Sequence[FieldRule],
    agreed: Mapping[str, Agreed],
    sent: object,
    theirs: Mapping[str, FieldValue],
    hasher: Hasher,
) -> dict[str, Agreed]:
    """A field that holds what we sent there, by a request whose answer was lost, is no change of theirs.

    What was sent counts as agreed, so an edit of ours since then is the only change. `sent`: as `sent_fields` wrote it.
    """
    carried_out = {
        name: each
        for name, each in parse_agreed(sent, rules).items()
        if hasher.of(name, theirs.get(name)) == each.theirs
    }
    return {**agreed, **carried_out}


def theirs_as_ours(agreed: Mapping[str, Agreed], hashes: Mapping[str, str]) -> dict[str, str]:
    """Their hashes in our terms: where they hold what was agreed, it counts as the value of ours."""
    return {
        name: agreed[name].ours if name in agreed and agreed[name].theirs == hashed and agreed[name].ours else hashed
        for name, hashed in hashes.items()
    }
