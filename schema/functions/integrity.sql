-- Functions of integrity. Written by `make schema`: change it by a migration.


create function settle_fixes(run bigint, called text, of_entity text, who text, at timestamptz, done jsonb)
    returns setof bigint
    language sql
    set search_path to 'public', 'pg_temp'
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
