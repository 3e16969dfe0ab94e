-- The two names by which applications built on the documents read deals. Each reader sees the rows that the tables show.
set local lock_timeout = '5s';

do $migration$
declare
    view_name text;
    body text;
begin
    for view_name, body in values
        ('deal_stages_history_legacy', $$
            select
                id, org_id, deal_id as entity_id, 'deal' as entity_type, 'stage_change' as change_type,
                'stage_id' as field_name, to_jsonb(from_stage_id) as old_value, to_jsonb(to_stage_id) as new_value,
                changed_by, changed_at,
                jsonb_build_object(
                    'from_probability', from_probability, 'to_probability', to_probability,
                    'days_in_stage', days_in_stage, 'notes', notes
                ) as metadata
            from deal_stages_history
        $$),
        ('deals_with_company', $$
            select deal.*, deal.account_id as company_id
            from deals deal
        $$)
    loop
        begin
            execute format('create or replace view %I with (security_invoker = true) as %s', view_name, body);
            execute format('revoke all on %I from public, anon', view_name);
            execute format('grant select on %I to authenticated, service_role, crm_relay', view_name);
        exception
            -- An application's own tables may lack a column, have company_id already, or have something else of that name.
            when duplicate_column or undefined_column or invalid_table_definition or wrong_object_type then
                raise notice '% is left out: %', view_name, sqlerrm;
        end;
    end loop;
end
$migration$;
