"""The mapped fields of an audience as it has them now, and members in our terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_relay.providers.connectors.contract import FieldValue, TheirRecord
from crm_relay.providers.connectors.failures import SchemaDrift
from crm_relay.providers.mailchimp.members.merge_types import MERGE_TYPES, ValueUnfit, written
from crm_relay.providers.mailchimp.settings import EMAIL_ID, TAGS_ID, MailchimpSettings, TagColumn
from crm_relay.providers.mailchimp.vocabulary import standing_of
from crm_relay.providers.mailchimp.wire import MailchimpMember, MergeField


@dataclass(frozen=True)
class MemberColumns:
    """`merges`: our name -> the merge field as it is now."""

    merges: Mapping[str, MergeField]
    tags: TagColumn | None

    @property
    def names(self) -> dict[str, str]:
        """Merge tag -> our name."""
        return {field.tag: ours for ours, field in self.merges.items()}

    def merge_values(self, fields: Mapping[str, FieldValue], *, is_new: bool) -> dict[str, Any]:
        """As Mailchimp takes them; nothing of ours is sent to empty a field of a new member. Raises ValueUnfit."""
        found = {}
        for ours, value in fields.items():
            field = self.merges.get(ours)
            if field is None or (is_new and value is None):
                continue
            try:
                found[field.tag] = written(field, value)
            except ValueUnfit as error:
                raise ValueUnfit(f"{ours}: {error}") from None
        return found

    def tag_changes(self, fields: Mapping[str, FieldValue], *, is_new: bool) -> list[dict[str, str]]:
        """The tag of the column's value, and every other tag of the column off; of a new member only the first."""
        if self.tags is None or self.tags.column not in fields:
            return []
        value = fields[self.tags.column]
        wanted = self.tags.names.get(str(value)) if value is not None else None
        changes = [{"name": name, "status": "active"} for name in self.tags.names.values() if name == wanted]
        off = [{"name": name, "status": "inactive"} for name in self.tags.names.values() if name != wanted]
        return changes if is_new else changes + off

    def record(self, member: MailchimpMember) -> TheirRecord:
        """Raises SchemaDrift where a field holds something else than its type says."""
        standing = standing_of(member.status)
        is_archived = standing == "archived"
        if is_archived and member.unsubscribe_reason:
            # Archived after they had left, and before anybody looked.
            standing = "unsubscribed"
        return TheirRecord(
            member.lasting_id,
            self.values(member),
            member.last_changed,
            is_removed=is_archived,
            standing=standing,
            former_id=member.id if member.lasting_id != member.id else None,
        )

    def values(self, member: MailchimpMember) -> dict[str, FieldValue]:
        """By our names. Errors as in `record`."""
        found: dict[str, FieldValue] = {"email": member.email_address.strip() or None}
        for ours, field in self.merges.items():
            try:
                found[ours] = MERGE_TYPES[field.type].read(member.merge_fields.get(field.tag))
            except ValueUnfit as error:
                raise SchemaDrift(f"the audience changed ({ours}: {error})", [ours]) from None
        if self.tags is not None:
            has = {each.name for each in member.tags}
            values = [value for value, name in self.tags.names.items() if name in has]
            found[self.tags.column] = ", ".join(values) or None
        return found


def fit(fields: Sequence[MergeField], settings: MailchimpSettings) -> MemberColumns:
    """Raises SchemaDrift that names every field of ours which is gone there or cannot be mapped."""
    by_id = {str(each.merge_id): each for each in fields}
    merges: dict[str, MergeField] = {}
    problems: dict[str, str] = {}
    for rule in settings.rules:
        if rule.theirs in {EMAIL_ID, TAGS_ID}:
            continue
        found = by_id.get(rule.theirs)
        if found is None:
            problems[rule.ours] = "its field is gone"
        elif found.type not in MERGE_TYPES:
            problems[rule.ours] = f"a field of type {found.type} holds no single value"
        else:
            merges[rule.ours] = found
    if problems:
        text = "; ".join(f"{ours}: {why}" for ours, why in problems.items())
        raise SchemaDrift(f"the audience changed ({text})", list(problems))
    return MemberColumns(merges, settings.tags)
