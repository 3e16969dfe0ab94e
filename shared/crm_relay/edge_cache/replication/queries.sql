-- name: conflicts
-- The latest first, open ones or all.
select id, entity, row_id, differing, winner, rule, decided_at, reverted_at, reverted_by
from edge_conflicts
where not :open_only or reverted_at is null
order by id desc
limit :limit;

-- name: conflict
-- One of them with both versions.
select
    id, entity, row_id, postgres_doc::text as postgres_doc, edge_doc::text as edge_doc, differing, winner, reverted_at,
    reverted_before::text as reverted_before, reverted_after::text as reverted_after
from edge_conflicts
where id = :id;

-- name: mark_reverted
-- Once; who did it stands with it, and what it changed.
update edge_conflicts
set reverted_at = :now, reverted_by = :who, reverted_before = :before, reverted_after = :after
where id = :id and reverted_at is null
returning id;

-- name: running_resync
-- The one that is not finished; at most one an entity.
select id, entity, generation, clears, phase, after_id, next_bucket, total, written, doomed, swept, ordered_by, started_at
from edge_resyncs
where finished_at is null and (cast(:entity as text) is null or entity = :entity)
order by id;

-- name: start_resync
-- Nothing where one runs already.
insert into edge_resyncs (entity, generation, clears, total, ordered_by, started_at, updated_at)
select :entity, coalesce(max(generation), 0) + 1, :clears, :total, :ordered_by, :now, :now
from edge_resyncs
where entity = :entity
on conflict (entity) where finished_at is null do nothing;

-- name: save_resync
-- How far it is; a run that is cut off goes on from here.
update edge_resyncs
set
    phase = :phase, after_id = :after_id, next_bucket = :next_bucket, written = :written, doomed = :doomed, swept = :swept,
    updated_at = :now, error = :error,
    finished_at = case when :phase in ('done', 'stopped') then cast(:now as timestamptz) end
where id = :id;

-- name: never_synced
-- Entities that no resync has filled yet: their rows were there before anything noted changes.
select entity
from edge_entities
where not exists (select from edge_resyncs where edge_resyncs.entity = edge_entities.entity)
order by entity;

-- name: erase_conflicts
-- Versions that name somebody who is erased go; such a conflict cannot be reverted any more.
update edge_conflicts
set postgres_doc = null, edge_doc = null, reverted_before = null, reverted_after = null
where exists (
    select
    from unnest(:marks::text[]) as mark
    where position(lower(mark) in lower(concat(postgres_doc::text, edge_doc::text, reverted_before::text, reverted_after::text))) > 0
)
returning id;

-- name: count_conflicts
-- What erase_conflicts would empty.
select count(*)::integer as conflicts
from edge_conflicts
where exists (
    select
    from unnest(:marks::text[]) as mark
    where position(lower(mark) in lower(concat(postgres_doc::text, edge_doc::text, reverted_before::text, reverted_after::text))) > 0
);

-- name: parked
-- What could not be written, in both directions, the longest parked first.
select direction, entity, id, reason, attempts, parked_at, retry_at
from edge_parked
order by parked_at, direction, entity, id
limit :limit;

-- name: retry_parked
-- Due now, whatever was tried before: all of it, or one row.
update edge_parked
set retry_at = :now
where cast(:entity as text) is null or entity = :entity and id = cast(:id as uuid)
returning direction, entity, id;

-- name: parked_edit
-- Whether an edit that was made at the edge is parked.
select reason from edge_parked where direction = 'to_postgres' and entity = :entity and id = :id;
