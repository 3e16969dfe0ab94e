-- What was held is asked again when its reason goes: who changes a limit, a cap or a campaign's window leaves a line here, in the
-- same transaction, and the engine's next run looks at whom it concerns. Triggers, because applications change these tables too.
set local lock_timeout = '5s';

create table if not exists hold_changes (
    id bigint generated always as identity primary key,
    org_id uuid,
    campaign_id uuid,
    reasons text[] not null,
    changed_at timestamptz not null default now()
);
select secure_table('hold_changes');
comment on table hold_changes is 'Changes after which held mail and held steps are asked again; empty once the engine has looked.';
comment on column hold_changes.campaign_id is 'Null: whatever of the organization is held; both null: of every organization.';

-- Arguments: the column that names the organization ('' for a change that concerns all), and the reasons that may have gone.
create or replace function note_hold_change() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into hold_changes (org_id, reasons)
    values (
        (to_jsonb(case tg_op when 'DELETE' then old else new end) ->> nullif(tg_argv[0], ''))::uuid, string_to_array(tg_argv[1], ' ')
    );
    return null;
end
$$;
create or replace trigger note_limit_change after insert or update or delete on delivery_limits
    for each row execute function note_hold_change('org_id', 'frequency_cap rate_limit');
create or replace trigger note_new_sender after insert on email_identities
    for each row execute function note_hold_change('org_id', 'no_sender');
create or replace trigger note_sender_resumed after update on email_identities
    for each row when (old.paused_at is not null and new.paused_at is null)
    execute function note_hold_change('org_id', 'sender_paused');
create or replace trigger note_own_sender_resumed after update on own_sender
    for each row when (old.paused_at is not null and new.paused_at is null) execute function note_hold_change('', 'sender_paused');
create or replace trigger note_postal_address after update on organizations
    for each row when (old.postal_address is distinct from new.postal_address)
    execute function note_hold_change('id', 'no_postal_address');

-- The same of one campaign, its organization beside it.
create or replace function note_campaign_hold_change() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    changed jsonb := to_jsonb(new);
begin
    insert into hold_changes (org_id, campaign_id, reasons)
    values (
        coalesce((changed ->> 'org_id')::uuid, default_org_id()), (changed ->> tg_argv[0])::uuid, string_to_array(tg_argv[1], ' ')
    );
    return null;
end
$$;
create or replace trigger note_campaign_change after update on campaigns
    for each row when (
        (old.send_days, old.send_window_start, old.send_window_end, old.timezone, old.use_recipient_timezone, old.status)
        is distinct from
        (new.send_days, new.send_window_start, new.send_window_end, new.timezone, new.use_recipient_timezone, new.status)
    ) execute function note_campaign_hold_change('id', 'window campaign_unreadable campaign_paused');
create or replace trigger note_person_resumed after update on campaign_enrollments
    for each row when (old.status = 'paused' and new.status in ('active', 'engaged'))
    execute function note_campaign_hold_change('campaign_id', 'person_paused');

create index if not exists idx_email_sends_held on email_sends (org_id, held_for) where held_for is not null and status = 'queued';
create index if not exists idx_sms_sends_held on sms_sends (org_id, held_for) where held_for is not null and status = 'queued';
create index if not exists idx_campaign_enrollments_held on campaign_enrollments (org_id, held_for)
    where held_for is not null and next_step_at is not null and status in ('active', 'engaged');

revoke all on function note_hold_change(), note_campaign_hold_change() from public, anon, authenticated, service_role, crm_relay;
