"""Members out: new ones by batch subscription, known ones by a batch of operations, and one outcome for each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from crm_relay.platform.errors import ServerFailed
from crm_relay.providers.connectors.contract import FieldValue, OutgoingRecord, WriteOutcome, WriteRefused, Written
from crm_relay.providers.connectors.failures import SchemaDrift
from crm_relay.providers.mailchimp.batches import BatchRunner, Operation, OperationResult
from crm_relay.providers.mailchimp.client import LARGEST_SUBSCRIPTION, AudienceApi, subscriber_hash
from crm_relay.providers.mailchimp.members.columns import MemberColumns
from crm_relay.providers.mailchimp.members.merge_types import ValueUnfit
from crm_relay.providers.mailchimp.vocabulary import CONTACT_EXISTS, reason_of_problem, reason_of_sentence
from crm_relay.providers.mailchimp.wire import MailchimpMember, SubscribeAnswer

_OF_MEMBER = {"skip_merge_validation": "true"}


@dataclass(frozen=True)
class _Outgoing:
    """A record on its way. `path`: of the member, by its id or by the hash of its address."""

    position: int
    record: OutgoingRecord
    merges: Mapping[str, Any]
    tags: Sequence[Mapping[str, str]]

    @property
    def address(self) -> str:
        return str(self.record.fields.get("email") or self.record.match)

    @property
    def member(self) -> str:
        return self.record.their_id or subscriber_hash(self.address)


class MemberWriter:
    """One call of `write`."""

    def __init__(self, audience: AudienceApi, columns: MemberColumns, runner: BatchRunner, new_status: str) -> None:
        self._audience = audience
        self._columns = columns
        self._runner = runner
        self._new_status = new_status
        self._outcomes: dict[int, WriteOutcome] = {}

    def write(self, batch: Sequence[OutgoingRecord]) -> list[WriteOutcome]:
        """Errors as in RecordStream.write."""
        prepared = [each for each in map(self._prepared, range(len(batch)), batch) if each is not None]
        new = [each for each in prepared if each.record.their_id is None]
        known = [each for each in prepared if each.record.their_id is not None]
        for start in range(0, len(new), LARGEST_SUBSCRIPTION):
            known += self._subscribe(new[start : start + LARGEST_SUBSCRIPTION])
        self._change(known, [each for each in new if each.tags and each not in known])
        return [self._outcomes[position] for position in range(len(batch))]

    def _prepared(self, position: int, record: OutgoingRecord) -> _Outgoing | None:
        is_new = record.their_id is None
        try:
            merges = self._columns.merge_values(record.fields, is_new=is_new)
        except ValueUnfit as error:
            self._outcomes[position] = WriteRefused(str(error))
            return None
        return _Outgoing(position, record, merges, self._columns.tag_changes(record.fields, is_new=is_new))

    def _subscribe(self, new: Sequence[_Outgoing]) -> list[_Outgoing]:
        """Those that are members already: they are changed as others are."""
        answer = self._audience.subscribe(
            [{"email_address": each.address, "status": self._new_status, "merge_fields": each.merges} for each in new]
        )
        members = {_address(each.email_address): each for each in (*answer.new_members, *answer.updated_members)}
        refused = _refusals(answer)
        there = []
        for each in new:
            address = _address(each.address)
            if address in members:
                self._outcomes[each.position] = self._written(each, members[address], is_new=True)
            elif refused.get(address) == CONTACT_EXISTS:
                there.append(each)
            elif address in refused:
                self._outcomes[each.position] = WriteRefused(refused[address])
            else:
                raise ServerFailed("Mailchimp answered other members than were sent")
        return there

    def _change(self, known: Sequence[_Outgoing], tagged: Sequence[_Outgoing]) -> None:
        """`tagged`: new ones, whose tags alone are to be set."""
        operations = list(self._operations(known, tagged))
        if not operations:
            return
        results = self._runner.run([operation for _, operation in operations])
        for (each, operation), result in zip(operations, results, strict=True):
            if operation.method == "PUT":
                self._outcomes[each.position] = self._outcome(each, result)
            elif result.status >= 300 and isinstance(self._outcomes.get(each.position), Written):
                reason = f"{self._tag_column}: the tag could not be set (status {result.status})"
                self._outcomes[each.position] = WriteRefused(reason)

    def _operations(
        self, known: Sequence[_Outgoing], tagged: Sequence[_Outgoing]
    ) -> Iterator[tuple[_Outgoing, Operation]]:
        for each in known:
            # Without `status` nobody's changes; who is no member any more by then becomes one who is not written to.
            body = {"email_address": each.address, "status_if_new": "transactional", "merge_fields": each.merges}
            yield each, Operation("PUT", self._audience.member_path(each.member), body, _OF_MEMBER)
        for each in (*known, *tagged):
            if each.tags:
                path = f"{self._audience.member_path(subscriber_hash(each.address))}/tags"
                yield each, Operation("POST", path, {"tags": list(each.tags), "is_syncing": True})

    def _outcome(self, outgoing: _Outgoing, result: OperationResult) -> WriteOutcome:
        if result.status == 404:
            return WriteRefused("the member is not in the audience any more", is_gone=True)
        if result.status >= 300:
            reason = reason_of_problem(result.body, self._columns.names)
            return WriteRefused(reason or f"Mailchimp refuses the change: status {result.status}")
        return self._written(outgoing, member_of(result), is_new=False)

    def _written(self, outgoing: _Outgoing, member: MailchimpMember, *, is_new: bool) -> WriteOutcome:
        if _address(member.email_address) != _address(outgoing.address):
            raise ServerFailed("Mailchimp answered another member than was written")
        held = self._held(member)
        fields: dict[str, FieldValue] = {
            name: held.get(name, value) if name != self._tag_column else self._tag_value(value)
            for name, value in outgoing.record.fields.items()
        }
        their_id = outgoing.record.their_id or member.lasting_id
        return Written(their_id, is_new, fields)

    def _held(self, member: MailchimpMember) -> dict[str, FieldValue]:
        """Nothing where the answer cannot be read: then it counts as sent, and the next read says what is there."""
        try:
            return self._columns.values(member) if member.merge_fields else {}
        except SchemaDrift:
            return {}

    @property
    def _tag_column(self) -> str | None:
        return self._columns.tags.column if self._columns.tags else None

    def _tag_value(self, value: FieldValue) -> FieldValue:
        """What reading it back says: a value without a tag is nothing there."""
        names = self._columns.tags.names if self._columns.tags else {}
        return value if str(value) in names else None


def member_of(result: OperationResult) -> MailchimpMember:
    """Raises ServerFailed where the answer of an operation is no member."""
    try:
        return MailchimpMember.model_validate(result.body)
    except ValidationError:
        raise ServerFailed("an operation of a batch was not answered with a member") from None


def _refusals(answer: SubscribeAnswer) -> dict[str, str]:
    """Address -> CONTACT_EXISTS, or the reason that we give."""
    return {
        _address(each.email_address): CONTACT_EXISTS
        if each.error_code == CONTACT_EXISTS
        else reason_of_sentence(each.error)
        for each in answer.errors
    }


def _address(text: str) -> str:
    return text.strip().lower()
