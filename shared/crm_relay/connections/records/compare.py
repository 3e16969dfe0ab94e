"""Compares both sides after a complete pass: by count and by a sum over every record, and names what differs."""

from dataclasses import dataclass
from typing import Any

from crm_relay.connections.records import store
from crm_relay.connections.records.store import Checkpoint
from crm_relay.connections.records.stream_run import StreamRun
from crm_relay.platform.database import Row

_PAGE = 2_000
_MOST_NAMED = 20
_MODULUS = 1 << 64


@dataclass(frozen=True)
class SideComparison:
    """Of linked records. Theirs is what the pass read and what was confirmed since; ours what the tables hold now.

    `differing`: their ids of some records that differ, `differing_count` of all.
    """

    ours: int
    theirs: int
    our_digest: str
    their_digest: str
    differing_count: int
    differing: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """By count and by digest."""
        return (self.ours, self.our_digest) == (self.theirs, self.their_digest)

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "ours": self.ours,
            "theirs": self.theirs,
            "our_digest": self.our_digest,
            "their_digest": self.their_digest,
            "differing_count": self.differing_count,
            "differing": list(self.differing),
            "is_equal": self.is_equal,
        }


def compare_sides(run: StreamRun, checkpoint: Checkpoint) -> SideComparison:
    """Reads only: one statement for each 2,000 records. The sums are over hashes in our terms on both sides."""
    sums, counts, differing = [0, 0], [0, 0], list[str]()
    after: str | None = ""
    while after is not None:
        rows = store.compare_page(run.db, run.key, checkpoint.pass_number, after, _PAGE)
        after = rows[-1]["their_id"] if len(rows) == _PAGE else None
        for row in rows:
            our_hash = _our_hash(run, row)
            counts[1] += 1
            sums[1] = (sums[1] + int(row["hash"] or "0", 16)) % _MODULUS
            if our_hash is not None:
                counts[0] += 1
                sums[0] = (sums[0] + int(our_hash, 16)) % _MODULUS
            if our_hash != row["hash"]:
                differing.append(row["their_id"])
    return SideComparison(
        counts[0], counts[1], f"{sums[0]:016x}", f"{sums[1]:016x}", len(differing), tuple(differing[:_MOST_NAMED])
    )


def _our_hash(run: StreamRun, row: Row) -> str | None:
    """None where our side has no such contact any more."""
    if row["our_id"] is None or row["is_deleted"]:
        return None
    hasher, fields = run.hasher, row["fields"]
    return hasher.of_record(
        row["their_id"], {rule.ours: hasher.of(rule.ours, fields.get(rule.ours)) for rule in run.stream.rules}
    )
