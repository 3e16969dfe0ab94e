-- A locked or refused row of one mail or enrollment no longer stops its batch: what it misses is kept and done later.
set local lock_timeout = '5s';
select remember_tables();

alter table email_batches add column if not exists locked_since timestamptz;
comment on column email_batches.locked_since is 'Since when another transaction has kept a mail of it from leaving; null: none has.';

-- No reference to enrollments: checking it would wait for the row that is locked.
create table if not exists campaign_unsettled (
    send_id uuid primary key,
    channel text not null check (channel in ('email', 'sms')),
    fate text not null,
    reason text,
    enrollment_id uuid not null,
    sequence_id uuid,
    has_events boolean not null,
    since timestamptz not null default clock_timestamp()
);
create index if not exists idx_campaign_unsettled_enrollment on campaign_unsettled (enrollment_id);

select secure_new_table('campaign_unsettled', 'exists (
    select from campaign_enrollments enrollment
    where enrollment.id = campaign_unsettled.enrollment_id and enrollment.org_id = (select current_org()))');

comment on table campaign_unsettled is
    'Messages whose fate is recorded while their step could not be settled, since its row was locked or refused; campaign_cron settles it.';
