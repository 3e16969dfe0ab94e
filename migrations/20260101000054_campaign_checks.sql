-- What the integrity checks need for campaigns: indexes that hold next to nothing while everything is in order, and one way to
-- write down what was mended in PostgreSQL.
set local lock_timeout = '5s';

-- Whoever is not on the way: the due ones have an index of their own, and one that moves along with every step is dear.
create index if not exists idx_campaign_enrollments_resting on campaign_enrollments (campaign_id, status, current_step)
    where next_step_at is null or status not in ('active', 'engaged');
create index if not exists idx_campaign_enrollments_due_though_finished on campaign_enrollments (id)
    where next_step_at is not null and status not in ('active', 'engaged', 'paused');
-- Which steps somebody has done, of whom nothing is left in the log.
create index if not exists idx_campaign_sequence_logs_archive_enrollment on campaign_sequence_logs_archive (enrollment_id);

-- Each fix with the row as it was, and its finding settled. `done`: finding_id, row_id, action, was (the whole row) and changes;
-- without changes the row was deleted.
create or replace function settle_fixes(run bigint, called text, of_entity text, who text, at timestamptz, done jsonb)
returns setof bigint
language sql set search_path = public, pg_temp
as $$
    with logged as (
        insert into integrity_fixes
            (run_id, finding_id, check_name, entity, row_id, action, before, after, fixed_at, fixed_by, applied_at)
        select
            run, fix.finding_id, called, of_entity, fix.row_id, fix.action,
            case
                when fix.changes is null then fix.was
                else (select jsonb_object_agg(name, fix.was -> name) from jsonb_object_keys(fix.changes) as name)
            end,
            fix.changes, at, who, at
        from jsonb_to_recordset(done) as fix (finding_id bigint, row_id text, action text, was jsonb, changes jsonb)
        returning finding_id
    )
    update integrity_findings
    set status = 'fixed', closed_at = at
    where id in (select finding_id from logged)
    returning id
$$;

revoke all on function settle_fixes(bigint, text, text, text, timestamptz, jsonb) from public, anon, authenticated;
grant execute on function settle_fixes(bigint, text, text, text, timestamptz, jsonb) to service_role, crm_relay;
