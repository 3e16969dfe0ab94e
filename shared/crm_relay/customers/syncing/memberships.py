"""Segment memberships in Mautic: only differences are sent, additions in bulk, removals one by one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from crm_relay.customers.decisions import membership_change
from crm_relay.customers.drafts import ContactDraft
from crm_relay.customers.field_map import SEGMENT_NAMES
from crm_relay.customers.run import SyncContext


@dataclass
class Memberships:
    """The four segments of the document, looked up and created on first need of a run."""

    run: SyncContext
    _ids: dict[str, int] = field(default_factory=dict)

    def know(self, adopted: ContactDraft) -> ContactDraft:
        """A draft whose contact was in Mautic before, with the memberships that it has there."""
        if adopted.contact_id is None:
            return adopted
        present = self.run.mautic.contact_segments(adopted.contact_id)
        slugs = frozenset(slug for slug, segment_id in self._segment_ids().items() if segment_id in present)
        customer = replace(adopted.customer, segments=slugs, segments_settled=True)
        return replace(adopted, customer=customer, adopted=False)

    def apply(self, moving: Sequence[ContactDraft]) -> set[int]:
        """Make memberships what they should be; returns contact ids that Mautic does not know. Safe to call twice."""
        ids = self._segment_ids()
        changes = [
            (each.contact_id, membership_change(each.customer)) for each in moving if each.contact_id is not None
        ]
        unknown: set[int] = set()
        for slug, segment_id in ids.items():
            joining = [contact_id for contact_id, change in changes if slug in change.join]
            if joining:
                self.run.lease.renew()
                unknown |= self.run.mautic.add_to_segment(segment_id, joining)
            # There is no bulk form of this; leaving a segment never unsubscribes.
            for contact_id, change in changes:
                if slug in change.leave:
                    self.run.mautic.remove_from_segment(segment_id, contact_id)
        return unknown

    def _segment_ids(self) -> dict[str, int]:
        if not self._ids:
            present = self.run.mautic.segments()
            for slug, name in SEGMENT_NAMES.items():
                self._ids[slug] = present[name] if name in present else self.run.mautic.create_segment(name, slug)
            self.run.report.segments = len(self._ids)
        return self._ids
