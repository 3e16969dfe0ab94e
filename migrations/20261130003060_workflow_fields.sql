-- Writes columns of records for workflows: only those that a batch changes, cast to the types of the table as it is.
set local lock_timeout = '5s';

-- `changes`: [{"id", "fields": {column: value}, "by"}]. Which columns may be written is decided before (workflows/actions/columns.py).
-- A statement for each set of columns; `updated_by` and `updated_at` are set where the table has them.
create or replace function write_workflow_fields(target text, changes jsonb, written_at timestamptz) returns setof uuid
language plpgsql set search_path = public, pg_temp
as $$
declare
    part record;
    names text[];
begin
    names := array(
        select attname::text from pg_attribute where attrelid = target::regclass and attnum > 0 and not attisdropped
    );
    for part in
        select string_agg(distinct format('%1$I = new.%1$I', field), ', ') as assignments, ids.columns as columns
        from (
            select distinct array(select jsonb_object_keys(change -> 'fields') order by 1) as columns
            from jsonb_array_elements(changes) as change
        ) ids
        cross join lateral unnest(ids.columns) as field
        group by ids.columns
    loop
        return query execute format(
            'update %1$I as record set %2$s%3$s%4$s
            from jsonb_to_recordset($1) as given (id uuid, fields jsonb, by uuid)
            cross join lateral jsonb_populate_record(null::%1$I, given.fields) as new
            where record.id = given.id and array(select jsonb_object_keys(given.fields) order by 1) = $2
            returning record.id',
            target, part.assignments,
            case when 'updated_by' = any (names) then ', updated_by = coalesce(given.by, record.updated_by)' end,
            case when 'updated_at' = any (names) then ', updated_at = $3' end
        ) using changes, part.columns, written_at;
    end loop;
end
$$;
revoke all on function write_workflow_fields(text, jsonb, timestamptz) from public, anon, authenticated;
grant execute on function write_workflow_fields(text, jsonb, timestamptz) to service_role, crm_relay;
