-- Views of crm. Written by `make schema`: change it by a migration.


create view deal_stages_history_legacy with (security_invoker = true) as
select
    id,
    org_id,
    deal_id as entity_id,
    'deal' as entity_type,
    'stage_change' as change_type,
    'stage_id' as field_name,
    to_jsonb(from_stage_id) as old_value,
    to_jsonb(to_stage_id) as new_value,
    changed_by,
    changed_at,
    jsonb_build_object('from_probability', from_probability, 'to_probability', to_probability, 'days_in_stage',
        days_in_stage, 'notes', notes) as metadata
from deal_stages_history;

grant select on deal_stages_history_legacy to authenticated, crm_relay, service_role;


create view deals_with_company with (security_invoker = true) as
select
    id,
    org_id,
    account_id,
    lead_contact_id,
    name,
    value,
    currency,
    stage,
    stage_id,
    status,
    probability,
    expected_close_date,
    closed_at,
    owner_id,
    created_by,
    updated_by,
    created_at,
    updated_at,
    deleted_at,
    account_id as company_id
from deals deal;

grant select on deals_with_company to authenticated, crm_relay, service_role;
