"""The people of one audience: read in the order of their changes, written in batches, with who may be written to.

A read that finds nothing new is one request. The fields are asked for when members are there to be read or written,
once a run.
"""

from collections.abc import Sequence
from dataclasses import replace

from crm_relay.platform.errors import ServerFailed
from crm_relay.providers.connectors.contract import (
    FieldRule,
    OutgoingRecord,
    RecordPage,
    TheirRecord,
    WriteOutcome,
    WriteRefused,
    Written,
)
from crm_relay.providers.connectors.failures import CursorLost, SchemaDrift
from crm_relay.providers.mailchimp.batches import LARGEST_BATCH, BatchRunner, Operation, OperationResult
from crm_relay.providers.mailchimp.client import MailchimpApi, subscriber_hash
from crm_relay.providers.mailchimp.members.columns import MemberColumns, fit
from crm_relay.providers.mailchimp.members.cursor import AudienceCursor, read_cursor
from crm_relay.providers.mailchimp.members.writing import MemberWriter, member_of
from crm_relay.providers.mailchimp.refusals import MailchimpRefused
from crm_relay.providers.mailchimp.settings import MailchimpSettings
from crm_relay.providers.mailchimp.vocabulary import reason_of_problem, standing_of
from crm_relay.providers.mailchimp.wire import MailchimpMember

_GONE = {404, 405}
"""405: an archived member cannot be archived again."""


class AudienceMembers:
    """One run over one audience."""

    largest_write = LARGEST_BATCH
    removal = "archive"
    ledger_source = "mailchimp"

    def __init__(self, api: MailchimpApi, settings: MailchimpSettings) -> None:
        self._api = api
        self._audience = api.audience(settings.list_id)
        self._settings = settings
        self._columns: MemberColumns | None = None
        self._drift: SchemaDrift | None = None
        self._runner: BatchRunner | None = None

    @property
    def name(self) -> str:
        return self._settings.list_id

    @property
    def rules(self) -> Sequence[FieldRule]:
        return self._settings.rules

    def check(self) -> None:
        """By the fields of the audience, which may be known by now. Raises SchemaDrift."""
        if self._drift is not None:
            raise self._drift
        if self._columns is None:
            self._columns = fit(self._audience.merge_fields(), self._settings)

    def read(self, cursor: str | None) -> RecordPage:
        at = read_cursor(cursor)
        if cursor is not None and at.mapping != self._settings.mapping:
            raise CursorLost("other fields of the audience are mapped than before")
        self._api.center.remember(at.center, at.mark)
        page = self._audience.members(since=at.since, offset=at.offset)
        records = self._records(page.members)
        behind, is_last = at.behind(page)
        return RecordPage(records, self._text(behind), is_last, at.complete)

    def look_up(self, their_ids: Sequence[str]) -> Sequence[TheirRecord]:
        """By a batch: no address takes several ids. An archived member is there no more."""
        if not their_ids:
            return ()
        results = self.runner.run([Operation("GET", self._audience.member_path(each)) for each in their_ids])
        found = []
        for their_id, result in zip(their_ids, results, strict=True):
            if result.status < 300:
                # Under the id that was asked for: a member may be known by the hash of its address.
                found.append(replace(self.columns.record(member_of(result)), their_id=their_id, former_id=None))
            elif result.status != 404:
                raise ServerFailed(f"Mailchimp could not look up a member: status {result.status}")
        return [each for each in found if not each.is_removed]

    def write(self, batch: Sequence[OutgoingRecord]) -> Sequence[WriteOutcome]:
        """A request for five hundred new ones; known ones by one batch, which is waited for."""
        return MemberWriter(self._audience, self.columns, self.runner, self._settings.new_status).write(batch)

    def id_of(self, address: str) -> str:
        """The hash of it."""
        return subscriber_hash(address)

    def unsubscribe(self, their_ids: Sequence[str]) -> Sequence[WriteOutcome]:
        """By changes of a member that is there: this makes nobody a member."""
        body = {"status": "unsubscribed"}
        results = self.runner.run([Operation("PATCH", self._audience.member_path(each), body) for each in their_ids])
        return [_left(their_id, result) for their_id, result in zip(their_ids, results, strict=True)]

    def remove(self, their_ids: Sequence[str]) -> None:
        """Archived: they can be taken back there, and keep whether they may be written to."""
        self._all_gone(self.runner.run([Operation("DELETE", self._audience.member_path(each)) for each in their_ids]))

    def erase(self, their_ids: Sequence[str]) -> None:
        """Deleted for good; asked for by the hash of the address, which only the member says."""
        found = self.runner.run([Operation("GET", self._audience.member_path(each)) for each in their_ids])
        hashes = [member_of(each).id for each in found if each.status < 300]
        self._all_gone([each for each in found if each.status >= 300])
        if hashes:
            paths = [f"{self._audience.member_path(each)}/actions/delete-permanent" for each in hashes]
            self._all_gone(self.runner.run([Operation("POST", path) for path in paths]))

    @property
    def columns(self) -> MemberColumns:
        """Asked for once. Raises SchemaDrift."""
        self.check()
        assert self._columns is not None  # noqa: S101 - check made it
        return self._columns

    @property
    def runner(self) -> BatchRunner:
        """Of this run."""
        self._runner = self._runner or self._api.runner()
        return self._runner

    def _records(self, members: Sequence[MailchimpMember]) -> list[TheirRecord]:
        """Where the fields do not fit any more: addresses and standings alone; `check` raises what is wrong."""
        try:
            return [self.columns.record(each) for each in members] if members else []
        except SchemaDrift as error:
            self._drift = error
            return [MemberColumns({}, None).record(each) for each in members]

    def _text(self, at: AudienceCursor) -> str:
        center, mark = self._api.center.known or (None, None)
        return replace(at, mapping=self._settings.mapping, center=center, mark=mark).text()

    def _all_gone(self, results: Sequence[OperationResult]) -> None:
        refused = [each.status for each in results if each.status >= 300 and each.status not in _GONE]
        if any(status >= 500 or status == 429 for status in refused):
            raise ServerFailed("Mailchimp could not remove some members")
        if refused:
            raise MailchimpRefused(f"Mailchimp refuses to remove {len(refused)} member(s): status {refused[0]}")


def _left(their_id: str, result: OperationResult) -> WriteOutcome:
    if result.status < 300:
        try:
            is_out = standing_of(member_of(result).status) != "subscribed"
        except ServerFailed as error:
            return WriteRefused(str(error))
        if is_out:
            return Written(their_id, is_new=False)
        return WriteRefused("Mailchimp took the request, and still writes to the person")
    if result.status == 404:
        return WriteRefused("the member is not in the audience any more", is_gone=True)
    return WriteRefused(reason_of_problem(result.body, {}) or f"Mailchimp refuses it: status {result.status}")
