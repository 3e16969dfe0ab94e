-- Takes back what is queued for enrollments whose sequence has ended. It decides nothing: it is a function for its kept plans,
-- since every bounce, complaint and opt-out asks for it and nearly none finds anything.
set local lock_timeout = '5s';

create or replace function take_back_queued(enrollments uuid[], reasons text[], at timestamptz) returns void
language plpgsql set search_path = public, pg_temp set plan_cache_mode = force_generic_plan
as $$
begin
    if not exists (select from email_sends where enrollment_id = any (enrollments) and status = 'queued')
        and not exists (select from sms_sends where enrollment_id = any (enrollments) and status = 'queued' and attempts = 0)
    then
        return;
    end if;
    with ended as materialized (
        select * from unnest(enrollments, reasons) as ended (enrollment_id, reason)
    ),
    -- What somebody else has locked is left, with its line, to the next look; what this transaction has locked is free for it.
    free_mail as materialized (
        select id
        from email_sends
        where enrollment_id = any (enrollments) and status = 'queued'
        order by id
        for no key update skip locked
    ),
    free_text as materialized (
        select id
        from sms_sends
        where enrollment_id = any (enrollments) and status = 'queued' and attempts = 0
        order by id
        for no key update skip locked
    ),
    pending as materialized (
        select id, enrollment_id, sequence_id
        from campaign_sequence_logs
        where enrollment_id = any (enrollments) and status = 'pending'
    ),
    free_line as materialized (
        select id from campaign_sequence_logs where id in (select id from pending) order by id for no key update skip locked
    ),
    locked_line as materialized (
        select enrollment_id, sequence_id from pending where id not in (select id from free_line)
    ),
    mails as (
        update email_sends mail
        set status = 'refused', reason = ended.reason, payload = null, position = null, updated_at = now()
        from ended
        where mail.enrollment_id = ended.enrollment_id and mail.id in (select id from free_mail)
            and not exists (
                select from locked_line where enrollment_id = mail.enrollment_id and sequence_id = mail.sequence_id
            )
        returning mail.enrollment_id, mail.sequence_id, ended.reason
    ),
    texts as (
        update sms_sends message
        set status = 'refused', reason = ended.reason, updated_at = at
        from ended
        where message.enrollment_id = ended.enrollment_id and message.id in (select id from free_text)
            and not exists (
                select from locked_line where enrollment_id = message.enrollment_id and sequence_id = message.sequence_id
            )
        returning message.enrollment_id, message.sequence_id, ended.reason
    )
    update campaign_sequence_logs line
    set status = 'stopped', reason = taken.reason, updated_at = at
    from (select * from mails union all select * from texts) taken
    where line.enrollment_id = taken.enrollment_id and line.sequence_id = taken.sequence_id and line.status = 'pending';
end
$$;

revoke all on function take_back_queued(uuid[], text[], timestamptz) from public, anon, authenticated;
grant execute on function take_back_queued(uuid[], text[], timestamptz) to service_role, crm_relay;
