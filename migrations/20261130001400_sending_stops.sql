-- The emergency brake: while a line is open, no message of its purposes leaves its organization, or any organization.
set local lock_timeout = '5s';

create table if not exists sending_stops (
    id bigint generated always as identity primary key,
    org_id uuid,
    purposes text[] not null default array['campaign'],
    reason text,
    stopped_by text not null,
    stopped_at timestamptz not null,
    resumed_by text,
    resumed_at timestamptz
);
select secure_table('sending_stops');
comment on table sending_stops is 'Who stopped sending, when and why, and who resumed it; one without resumed_at holds now.';
comment on column sending_stops.org_id is 'Null: every organization.';
comment on column sending_stops.purposes is 'Purposes of messages that wait; others leave.';

-- Asked by the statement that claims steps and by the gate, which see every stop that was committed before them.
create or replace function is_sending_stopped(wanted_org uuid, wanted_purpose text) returns boolean
language sql stable
as $$
    select exists (
        select
        from sending_stops stop
        where stop.resumed_at is null and wanted_purpose = any (stop.purposes) and (stop.org_id is null or stop.org_id = wanted_org)
    )
$$;
revoke all on function is_sending_stopped(uuid, text) from public, anon, authenticated;
grant execute on function is_sending_stopped(uuid, text) to service_role, crm_relay;

create or replace trigger note_sending_resumed after update on sending_stops
    for each row when (old.resumed_at is null and new.resumed_at is not null)
    execute function note_hold_change('org_id', 'stopped_by_operator');
create or replace trigger note_stop_deleted after delete on sending_stops
    for each row when (old.resumed_at is null) execute function note_hold_change('org_id', 'stopped_by_operator');

-- As email_batches.purpose.
alter table sms_sends add column if not exists purpose text not null default 'campaign';
comment on column sms_sends.purpose is 'What it is for; a stop holds messages of its purposes alone.';
