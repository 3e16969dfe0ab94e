-- name: begin_run
-- The run's line in the audit trail, before anything else.
insert into sync_log (direction, entity, ordered_by, started_at)
values (:direction, :entity, :ordered_by, :now)
returning id;

-- name: finish_run
-- What the run did; the counts are those of confirmed writes.
update sync_log
set
    finished_at = :now, status = :status, error = :error, read_count = :read, written_count = :written,
    unchanged_count = :unchanged, deleted_count = :deleted, parked_count = :parked, conflict_count = :conflicts,
    pending_count = :pending
where id = :id;

-- name: pending_changes
-- How much waits for each entity, and how many rows are really gone; nothing of an entity that has no change.
select
    entity, count(distinct id)::integer as waiting,
    (
        count(distinct id) filter (
            where is_deleted and not exists (
                select from edge_source source where source.entity = change.entity and source.id = change.id offset 0
            )
        )
    )::integer as deletions
from edge_changes change
group by entity;

-- name: count_source
-- Exact, and only asked where deletions wait.
select count(*)::bigint as rows from edge_source where entity = :entity;

-- name: note_count
-- What the next deletion is held against.
update edge_entities
set known_rows = :rows, counted_at = :now, blocked_at = case when :blocked then coalesce(blocked_at, :now) end
where entity = :entity;

-- name: entities
-- How large each entity was, and whether deletions of it are held back: by the shrink rule, or by a resync that it stopped.
select
    entity, known_rows, counted_at, blocked_at, coalesce(shrink_allowed_until > :now, false) as shrink_allowed,
    coalesce(
        (
            select resync.phase = 'stopped'
            from edge_resyncs resync
            where resync.entity = edge_entities.entity and resync.finished_at is not null
            order by resync.id desc
            limit 1
        ), false
    ) as resync_stopped
from edge_entities
order by entity;

-- name: allow_shrink
-- The operator's word that the rows were really meant to go.
update edge_entities set shrink_allowed_until = :until where entity = any (:entities::text[]);

-- name: changed_rows
-- A page of changes, each row once and as it is now; one that is gone gets a version of its own, newer than every write of it.
-- Where deletions are held back, what is gone waits and leaves the page to the others. Laterals, and `offset 0`: joined
-- freely, the planner would write out every row of the view. `names_only` reads no row: for a page that cannot be read.
with noted as materialized (
    select seq, entity, id
    from edge_changes change
    where (cast(:entities as text[]) is null or entity = any (:entities::text[]))
        and (
            not entity = any (:blocked::text[])
            or exists (select from edge_source source where source.entity = change.entity and source.id = change.id offset 0)
        )
    order by seq
    limit :limit
),
due as materialized (
    select entity, id
    from edge_parked parked
    where direction = 'to_cache' and retry_at <= :now
        and (cast(:entities as text[]) is null or entity = any (:entities::text[]))
        and (
            not entity = any (:blocked::text[])
            or exists (select from edge_source source where source.entity = parked.entity and source.id = parked.id offset 0)
        )
    order by retry_at
    limit :limit
),
wanted as (
    select entity, id, array_remove(array_agg(seq), null) as seqs
    from (select seq, entity, id from noted union all select null, entity, id from due) each
    group by entity, id
)
select
    wanted.entity, wanted.id, wanted.seqs, coalesce(source.version, nextval('edge_versions')) as version,
    coalesce(source.updated_at, :now) as updated_at, source.doc
from wanted
left join lateral (
    select version, updated_at, doc from edge_source where entity = wanted.entity and id = wanted.id offset 0
) source on not :names_only;

-- name: present_rows
-- Rows by number as they are now, and those that are gone with a version newer than every write of them; nothing is written.
select
    wanted.entity, wanted.id, coalesce(source.version, nextval('edge_versions')) as version,
    coalesce(source.updated_at, :now) as updated_at, source.doc
from jsonb_to_recordset(:wanted) as wanted (entity text, id uuid)
left join lateral (
    select version, updated_at, doc from edge_source where entity = wanted.entity and id = wanted.id offset 0
) source on true;

-- name: confirm
-- Only what the edge has confirmed leaves the list; what failed is parked with its reason, and tried again as it is by then.
with result as materialized (
    select * from jsonb_to_recordset(:results) as result (entity text, id uuid, outcome text, reason text)
),
parked as (
    insert into edge_parked as known (direction, entity, id, reason, retry_at)
    select
        'to_cache', entity, id, reason,
        case outcome when 'too_large' then null else cast(:now as timestamptz) + interval '1 minute' end
    from result
    where outcome in ('failed', 'edited', 'too_large')
    on conflict (direction, entity, id) do update set
        reason = excluded.reason,
        attempts = known.attempts + 1,
        retry_at = case
            when excluded.retry_at is not null
                then cast(:now as timestamptz) + least(interval '1 minute' * power(2, known.attempts), interval '1 hour')
        end
),
unparked as (
    delete from edge_parked known
    using result
    where known.direction = 'to_cache' and known.entity = result.entity and known.id = result.id
        and result.outcome in ('done', 'unchanged')
)
delete from edge_changes where seq = any (:seqs::bigint[]);

-- name: source_rows
-- Rows by number, as they are now; those that do not exist are left out.
select source.entity, source.id, source.version, source.updated_at, source.doc, source.edge_base
from jsonb_to_recordset(:wanted) as wanted (entity text, id uuid)
cross join lateral (
    select entity, id, version, updated_at, doc, edge_base
    from edge_source
    where entity = wanted.entity and id = wanted.id
    offset 0
) source;

-- name: agreed_rows
-- The same for what is agreed on, and not parked any longer: one that is gone gets a version newer than every write of it.
with wanted as materialized (
    select entity, id from jsonb_to_recordset(:wanted) as wanted (entity text, id uuid)
),
unparked as (
    delete from edge_parked known
    using wanted
    where known.direction = 'to_postgres' and known.entity = wanted.entity and known.id = wanted.id
)
select
    wanted.entity, wanted.id, coalesce(source.version, nextval('edge_versions')) as version,
    coalesce(source.updated_at, :now) as updated_at, source.doc
from wanted
left join lateral (
    select version, updated_at, doc from edge_source where entity = wanted.entity and id = wanted.id offset 0
) source on true;

-- name: deleted_emails
-- Which of these were deleted in PostgreSQL; the others it never had, or has lost.
select id from edge_deleted_emails where id = any (:ids::uuid[]);

-- name: raise_versions
-- Beyond what the edge has seen: after a restore from a backup nothing that is written would be taken there.
select setval('edge_versions', :seen) as version
where :seen > (select last_value from edge_versions);

-- name: lift
-- New versions for rows of which the edge has a later one; that they changed is noted, also of those that are gone.
with touched as materialized (select id from edge_touch(:entity, :ids::uuid[]))
insert into edge_changes (entity, id, version, is_deleted)
select :entity, gone.id, nextval('edge_versions'), true
from unnest(:ids::uuid[]) as gone (id)
where not gone.id in (select id from touched);

-- name: source_page
-- The next rows of an entity by number, for a full resync.
select id, version, updated_at, case when not :names_only then doc end as doc
from edge_source
where entity = :entity and (cast(:after as uuid) is null or id > :after)
order by id
limit :limit;

-- name: write_emails
-- What the edge won: new e-mails, and changes of those that are still what they were when it was decided.
with given as materialized (
    select given.seen_version, given.base, (jsonb_populate_record(null::emails, given.doc)).*
    from jsonb_to_recordset(:rows) as given (seen_version bigint, base bigint, doc jsonb)
),
quiet as materialized (
    -- Until the end of this transaction: what came from the edge is not sent back to it.
    select set_config('app.edge_sync', 'on', true) as setting
),
held as materialized (
    -- One that is deleted meanwhile is not made again.
    -- One that somebody holds locked is left for the next run, instead of waiting with all the others.
    select emails.id from emails where emails.id in (select given.id from given) order by emails.id for update skip locked
),
written as (
    insert into emails as known (
        id, prospect_id, campaign_id, subject, body, to_email, from_email, message_id, direction, status, sent_at, opened_at,
        clicked_at, replied_at, bounced_at, created_at, updated_at, edge_base, org_id
    )
    -- Of a mail to or from somebody who was erased it is kept that there was one, and nothing else.
    select
        given.id, case when not is_gone then prospect_id end, campaign_id, case when not is_gone then subject end,
        case when not is_gone then body end, case when not is_gone then to_email end, case when not is_gone then from_email end,
        case when not is_gone then message_id end, coalesce(direction, 'outbound'),
        status, sent_at, opened_at, clicked_at, replied_at, bounced_at, coalesce(created_at, updated_at, now()),
        coalesce(updated_at, now()), given.base, email_organization(prospect_id, campaign_id, direction, from_email, to_email)
    from given
    cross join quiet
    cross join lateral (
        select
            is_erased(null, 'email', normalise_address(to_email)) or is_erased(null, 'email', normalise_address(from_email)) as is_gone
        offset 0
    ) erasure
    where given.seen_version = 0 or given.id in (select held.id from held)
    order by given.id
    on conflict (id) do update set
        prospect_id = excluded.prospect_id, campaign_id = excluded.campaign_id, subject = excluded.subject,
        body = excluded.body, to_email = excluded.to_email, from_email = excluded.from_email,
        message_id = excluded.message_id, direction = excluded.direction, status = excluded.status,
        sent_at = excluded.sent_at, opened_at = excluded.opened_at, clicked_at = excluded.clicked_at,
        replied_at = excluded.replied_at, bounced_at = excluded.bounced_at, updated_at = excluded.updated_at,
        edge_base = excluded.edge_base, org_id = coalesce(known.org_id, excluded.org_id)
        where coalesce(known.sync_version, 1) = (select seen_version from given where given.id = excluded.id)
    returning known.id
)
select id from written;

-- name: write_prospects
-- An edit at the edge that was later than PostgreSQL's own; quietly, as with e-mails: the item becomes the row that is agreed on.
with quiet as materialized (select set_config('app.edge_sync', 'on', true) as setting)
update prospects known
set
    name = given.name, city = given.city, country = given.country, contact_name = given.contact_name,
    contact_email = given.contact_email, contact_title = given.contact_title, phone = given.phone, website = given.website,
    linkedin_url = given.linkedin_url, stage = given.stage, tier = given.tier, score = given.score,
    lead_source = given.lead_source, email_bounced = given.email_bounced, archived = given.archived,
    updated_at = given.updated_at
from (
    select given.seen_version, (jsonb_populate_record(null::prospects, given.doc)).*
    from jsonb_to_recordset(:rows) as given (seen_version bigint, doc jsonb)
) given, quiet
where known.id = given.id and coalesce(known.sync_version, 1) = given.seen_version
returning known.id;

-- name: write_campaigns
-- The same for edits of this copy.
with quiet as materialized (select set_config('app.edge_sync', 'on', true) as setting)
update campaigns known
set
    name = given.name, description = given.description, status = given.status, source = given.source,
    send_window_start = given.send_window_start, send_window_end = given.send_window_end, send_days = given.send_days,
    timezone = given.timezone, updated_at = given.updated_at
from (
    select given.seen_version, (jsonb_populate_record(null::campaigns, given.doc)).*
    from jsonb_to_recordset(:rows) as given (seen_version bigint, doc jsonb)
) given, quiet
where known.id = given.id and coalesce(known.sync_version, 1) = given.seen_version
returning known.id;

-- name: write_mailboxes
-- The same for edits of this copy.
with quiet as materialized (select set_config('app.edge_sync', 'on', true) as setting)
update mailboxes known
set
    email = given.email, name = given.name, provider = given.provider, status = given.status, daily_limit = given.daily_limit,
    updated_at = given.updated_at
from (
    select given.seen_version, (jsonb_populate_record(null::mailboxes, given.doc)).*
    from jsonb_to_recordset(:rows) as given (seen_version bigint, doc jsonb)
) given, quiet
where known.id = given.id and coalesce(known.sync_version, 1) = given.seen_version
returning known.id;

-- name: log_conflicts
-- Both versions as they were; the one that lost can be brought back from here. Of somebody who was erased neither is kept.
insert into edge_conflicts
    (entity, row_id, postgres_doc, edge_doc, postgres_at, edge_at, edge_edits, differing, winner, rule, decided_at)
select
    entity, row_id, case when not is_gone then postgres_doc end, case when not is_gone then edge_doc end, postgres_at, edge_at,
    edge_edits, differing, winner, rule, :now
from jsonb_to_recordset(:conflicts) as conflict (
    entity text, row_id uuid, postgres_doc jsonb, edge_doc jsonb, postgres_at timestamptz, edge_at timestamptz,
    edge_edits integer, differing text[], winner text, rule text
)
cross join lateral (
    select coalesce(bool_or(is_erased(null, 'email', normalise_address(doc ->> name))), false) as is_gone
    from unnest(array[postgres_doc, edge_doc]) as doc
    cross join unnest(array['to_email', 'from_email', 'contact_email']) as name
    offset 0
) erasure
on conflict (entity, row_id, edge_edits, edge_at) do nothing;

-- name: draw_versions
-- For rows that are gone: newer than whatever was written of them.
select nextval('edge_versions') as version from generate_series(1, :number);

-- name: park_edits
-- Edits that cannot be rows: out of the way of the others, with the reason.
insert into edge_parked as known (direction, entity, id, reason)
select 'to_postgres', entity, id, reason
from jsonb_to_recordset(:edits) as edit (entity text, id uuid, reason text)
on conflict (direction, entity, id) do update set
    reason = excluded.reason, attempts = known.attempts + 1;

-- name: note_change
-- A row that is brought back by hand has to reach the edge too, whichever way it was written.
insert into edge_changes (entity, id, version)
values (:entity, :id, nextval('edge_versions'));

-- name: last_runs
-- The latest run and the latest success of each direction.
select
    direction,
    max(finished_at) filter (where status = 'success') as last_success_at,
    (array_agg(status order by id desc))[1] as last_status,
    (array_agg(error order by id desc))[1] as last_error,
    (array_agg(written_count order by id desc))[1] as last_written,
    sum(written_count + deleted_count) filter (where started_at > cast(:now as timestamptz) - interval '24 hours')::integer as written_24h,
    count(*) filter (where status = 'failed' and started_at > cast(:now as timestamptz) - interval '24 hours')::integer as failures_24h
from (select * from sync_log where started_at > cast(:now as timestamptz) - interval '7 days') recent
group by direction
order by direction;

-- name: backlog
-- What waits to be written to the edge, since when, and what is parked.
select
    (select count(*) from edge_changes)::integer as pending,
    (select min(noted_at) from edge_changes) as oldest,
    (select count(*) from edge_parked where direction = 'to_cache')::integer as parked_to_cache,
    (select count(*) from edge_parked where direction = 'to_postgres')::integer as parked_to_postgres,
    -- A row steps aside for an edit until that is decided, which takes minutes.
    (
        select count(*)
        from edge_parked
        where direction = 'to_cache' and (reason <> :steps_aside or parked_at < cast(:now as timestamptz) - interval '15 minutes')
    )::integer as stuck_to_cache,
    (select count(*) from edge_conflicts where reverted_at is null and decided_at > cast(:now as timestamptz) - interval '24 hours')::integer
        as conflicts_24h;

-- name: recent_runs
-- The audit trail, newest first.
select
    id, direction, entity, ordered_by, started_at, finished_at, read_count, written_count, unchanged_count, deleted_count,
    parked_count, conflict_count, pending_count, status, error
from sync_log
order by id desc
limit :limit;
