-- name: settle_mails
-- What became of the mails that actions sent, with a line in the log of their runs.
with settled as (
    update workflow_actions action
    set status = fate.status, completed_at = :now, error_message = case fate.status when 'failed' then fate.reason end,
        result = coalesce(action.result, '{}') || jsonb_strip_nulls(jsonb_build_object('reason', fate.reason, 'settled', true))
    from :fates as fate (action_id uuid, status text, reason text)
    where action.id = fate.action_id and action.action_type = 'send_email'
        and (action.status, action.result ->> 'reason') is distinct from (fate.status, fate.reason)
    returning action.id, action.execution_id, action.step_id, fate.status, fate.reason
)
insert into workflow_execution_logs (execution_id, step_id, action_id, level, message, data, occurred_at)
select
    execution_id, step_id, id, case status when 'failed' then 'error' when 'skipped' then 'warning' else 'info' end,
    'mail ' || case status when 'completed' then 'sent' when 'skipped' then 'not sent' else 'failed' end,
    jsonb_strip_nulls(jsonb_build_object('reason', reason)), :now
from settled;

-- name: owners_of_mails
-- Whether the run that queued a mail still wants it to leave, and whether its record and its reader are those that it was made for.
select
    given.send_id, run.status, workflow.deleted_at is not null as is_deleted,
    -- What is queued was within the budget that paused it.
    workflow.paused_at is not null and workflow.paused_reason is distinct from 'over_budget' as is_paused,
    record.found is null or record.found ->> 'deleted_at' is not null as is_record_gone,
    reader.deleted_at is not null as is_contact_deleted,
    mail.address, coalesce(reader.id is not null, false) as has_reader, reader.email as reader_email
from :mails as given (send_id uuid, action_id uuid)
join workflow_actions action on action.id = given.action_id
join workflow_executions run on run.id = action.execution_id
join workflows workflow on workflow.id = run.workflow_id
left join email_sends mail on mail.id = given.send_id
left join contacts reader on reader.id = mail.contact_id
cross join lateral (
    select case run.entity_type
        when 'account' then (select to_jsonb(each) from accounts each where each.id = run.entity_id)
        when 'contact' then (select to_jsonb(each) from contacts each where each.id = run.entity_id)
        when 'deal' then (select to_jsonb(each) from deals each where each.id = run.entity_id)
        when 'job' then (select to_jsonb(each) from jobs each where each.id = run.entity_id)
        when 'submission' then (select to_jsonb(each) from submissions each where each.id = run.entity_id)
        when 'placement' then (select to_jsonb(each) from placements each where each.id = run.entity_id)
        when 'activity' then (select to_jsonb(each) from activities each where each.id = run.entity_id)
        when 'campaign_enrollment' then (select to_jsonb(each) from campaign_enrollments each where each.id = run.entity_id)
    end as found
) record;
