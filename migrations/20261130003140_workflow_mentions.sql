-- Takes mentions of an erased person out of definitions, runs, events and requests; the definitions of versions are for the server.
set local lock_timeout = '5s';

-- Every mention in a column of text or JSON becomes `redacted`; of a unique key the row's id goes with it. Other types hold no text.
-- The answer is the number of rows.
create or replace function redact_mentions(relation text, needles text[], pattern text) returns bigint
language plpgsql set search_path = public, pg_temp
as $$
declare
    changes text;
    changed bigint;
begin
    if relation <> all (array[
        'entity_events', 'workflow_actions', 'workflow_approvals', 'workflow_execution_logs', 'workflow_executions',
        'workflow_start_decisions', 'workflow_steps', 'workflow_versions', 'workflow_webhooks', 'workflows'
    ]) then
        raise exception 'not a table of workflows: %', relation using errcode = '22023';
    end if;
    select string_agg(
        case
            when attname in ('event_key', 'start_key') then format(
                '%1$I = case when lower(%1$I) ~ $2 then ''redacted:'' || id else %1$I end', attname
            )
            when atttypid = 'jsonb'::regtype then format(
                -- A number that stands by itself in JSON stays a number.
                '%1$I = case jsonb_typeof(%1$I) when ''number'' then ''0'' else regexp_replace(
                    regexp_replace(%1$I::text, ''(?<=[[ ])'' || $2 || ''(?=[],}])'', ''0'', ''gi''), $2, ''redacted'', ''gi''
                )::jsonb end',
                attname
            )
            else format(
                '%1$I = regexp_replace(%1$I, $2, ''redacted'', ''gi'')::%2$s', attname, format_type(atttypid, atttypmod)
            )
        end, ', '
    )
    into changes
    from pg_attribute
    where attrelid = relation::regclass and attnum > 0 and not attisdropped
        and atttypid in ('text'::regtype, 'varchar'::regtype, 'jsonb'::regtype);
    perform set_config('crm_relay.changes_are_noted', 'no', true);
    execute format(
        'update %I as known set %s where lower(known::text) like any ($1) and lower(known::text) ~ $2', relation, changes
    ) using needles, pattern;
    get diagnostics changed = row_count;
    return changed;
end
$$;
revoke all on function redact_mentions(text, text[], text) from public, anon, authenticated;
grant execute on function redact_mentions(text, text[], text) to service_role, crm_relay;
comment on function redact_mentions(text, text[], text) is 'Replaces every mention of somebody in one table of workflows; for an erasure.';

-- Definitions name the secrets of webhooks; whoever may see a workflow reads its draft.
revoke all on workflow_versions from authenticated, anon;
drop policy if exists authenticated_read on workflow_versions;
