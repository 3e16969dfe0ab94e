-- Taking a conflict back changes what the conflict was about, and leaves both in the log: as it was before, and after it.
set local lock_timeout = '5s';

alter table edge_conflicts
    add column if not exists reverted_before jsonb,
    add column if not exists reverted_after jsonb;

comment on column edge_conflicts.reverted_before is 'The fields that a revert changed, as they were; null also where there was no row.';
comment on column edge_conflicts.reverted_after is 'The same fields as the revert wrote them.';
