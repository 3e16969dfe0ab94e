-- Campaigns: their steps, who is enrolled, and one line for every step that somebody reached.
set local lock_timeout = '5s';
select remember_tables();

alter table campaigns add column if not exists use_recipient_timezone boolean not null default false;
alter table campaigns add column if not exists identity_id uuid references email_identities (id) on delete set null;
alter table campaigns add column if not exists topic text;
alter table campaigns add column if not exists late_policy text not null default 'send'
    check (late_policy in ('send', 'skip', 'send_within'));
alter table campaigns add column if not exists late_minutes integer not null default 60 check (late_minutes > 0);
alter table campaigns add column if not exists stop_company_on_reply boolean not null default false;
alter table campaigns add column if not exists activated_at timestamptz;
alter table campaigns add column if not exists paused_at timestamptz;

create table if not exists campaign_sequences (
    id uuid primary key default gen_random_uuid(),
    campaign_id uuid not null references campaigns (id) on delete cascade,
    step_number integer not null check (step_number > 0),
    channel text not null check (channel in ('email', 'linkedin', 'phone', 'sms', 'task', 'wait')),
    delay_days integer not null default 0 check (delay_days >= 0),
    delay_hours integer not null default 0 check (delay_hours >= 0),
    delay_minutes integer not null default 0 check (delay_minutes >= 0),
    template_id uuid references email_templates (id) on delete set null,
    subject text,
    body_html text,
    body_text text,
    task_config jsonb,
    skip_conditions jsonb not null default '[]',
    stop_on_reply boolean not null default true,
    ab_variants jsonb,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (campaign_id, step_number)
);
alter table campaign_sequences add column if not exists ab_test jsonb;
alter table campaign_sequences add column if not exists ab_winner text;
alter table campaign_sequences add column if not exists ab_verdict jsonb;
alter table campaign_sequences add column if not exists reached integer not null default 0;

create table if not exists campaign_enrollments (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations (id) on delete cascade,
    campaign_id uuid not null references campaigns (id) on delete cascade,
    contact_id uuid not null references contacts (id) on delete cascade,
    status text not null default 'active' check (status in (
        'active', 'engaged', 'paused', 'replied', 'bounced', 'unsubscribed', 'stopped', 'completed'
    )),
    current_step integer not null default 0,
    steps_completed integer not null default 0,
    next_step_at timestamptz,
    ab_variant text,
    emails_sent integer not null default 0,
    emails_opened integer not null default 0,
    emails_clicked integer not null default 0,
    linkedin_sent integer not null default 0,
    calls_made integer not null default 0,
    sms_sent integer not null default 0,
    engagement_score integer not null default 0 check (engagement_score between 0 and 100),
    last_step_at timestamptz,
    last_engagement_at timestamptz,
    error_count integer not null default 0,
    last_error text,
    last_error_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- By contact first: so it also finds where somebody is enrolled. The index on addresses finds all of a campaign.
    unique (contact_id, campaign_id)
);
alter table campaign_enrollments add column if not exists address text;
alter table campaign_enrollments add column if not exists first_opened_at timestamptz;
alter table campaign_enrollments add column if not exists first_clicked_at timestamptz;
alter table campaign_enrollments add column if not exists replied_at timestamptz;
alter table campaign_enrollments add column if not exists thread_id text;
alter table campaign_enrollments add column if not exists completed_at timestamptz;
alter table campaign_enrollments add column if not exists stopped_reason text;
alter table campaign_enrollments add column if not exists held_for text;
-- Two contacts may share an address; its owner gets one sequence all the same.
create unique index if not exists idx_campaign_enrollments_address on campaign_enrollments (campaign_id, address);
-- Everybody at one place of a campaign has the same next step, and so may all have to wait for room to send it.
create index if not exists idx_campaign_enrollments_due on campaign_enrollments (campaign_id, current_step, next_step_at)
    where next_step_at is not null and status in ('active', 'engaged');
-- After which step people answered: the page asks for it every half minute.
create index if not exists idx_campaign_enrollments_replied on campaign_enrollments (campaign_id, current_step)
    where replied_at is not null;
create index if not exists idx_campaign_enrollments_finished on campaign_enrollments (updated_at)
    where status not in ('active', 'engaged', 'paused');

create table if not exists campaign_sequence_logs (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations (id) on delete cascade,
    campaign_id uuid not null references campaigns (id) on delete cascade,
    enrollment_id uuid not null references campaign_enrollments (id) on delete cascade,
    sequence_id uuid not null references campaign_sequences (id) on delete cascade,
    step_number integer not null,
    channel text not null,
    status text not null check (status in ('pending', 'sent', 'skipped', 'failed', 'stopped')),
    ab_variant text,
    scheduled_at timestamptz,
    sent_at timestamptz,
    created_at timestamptz not null default now(),
    unique (enrollment_id, sequence_id)
);
alter table campaign_sequence_logs add column if not exists reason text;
alter table campaign_sequence_logs add column if not exists activity_id uuid;
alter table campaign_sequence_logs add column if not exists updated_at timestamptz not null default now();
create index if not exists idx_campaign_sequence_logs_step on campaign_sequence_logs (sequence_id, status);

-- Lines of sequences that ended 90 days ago. No references: what is archived outlives what it was about.
create table if not exists campaign_sequence_logs_archive (
    like campaign_sequence_logs including defaults,
    archived_at timestamptz not null default now(),
    primary key (id)
);
create index if not exists idx_campaign_sequence_logs_archive_step on campaign_sequence_logs_archive (sequence_id, status);

alter table inbox_items add column if not exists in_reply_to text;
alter table inbox_items add column if not exists reference_ids text[] not null default '{}';
alter table inbox_items add column if not exists to_addresses text[] not null default '{}';
alter table inbox_items add column if not exists headers_read_at timestamptz;
alter table inbox_items add column if not exists followed_at timestamptz;
create index if not exists idx_inbox_items_unfollowed on inbox_items (received_at) where followed_at is null;
create index if not exists idx_inbox_items_unread on inbox_items (received_at) where source = 'resend' and headers_read_at is null;
-- Tests of variants ask who has answered.
create index if not exists idx_inbox_items_enrollment on inbox_items (enrollment_id) where enrollment_id is not null;

-- What the engine says it has done with a step, against its lines: integrity holds them against each other.
create or replace view campaign_step_accounting with (security_invoker = true) as
select
    step.campaign_id,
    step.id as sequence_id,
    step.step_number,
    step.channel,
    step.reached,
    coalesce(lines.sent, 0)::integer as sent,
    coalesce(lines.skipped, 0)::integer as skipped,
    coalesce(lines.failed, 0)::integer as failed,
    coalesce(lines.pending, 0)::integer as pending,
    coalesce(lines.stopped, 0)::integer as stopped,
    step.reached = coalesce(lines.total, 0) as holds
from campaign_sequences step
left join lateral (
    select
        count(*) as total,
        count(*) filter (where status = 'sent') as sent,
        count(*) filter (where status = 'skipped') as skipped,
        count(*) filter (where status = 'failed') as failed,
        count(*) filter (where status = 'pending') as pending,
        count(*) filter (where status = 'stopped') as stopped
    from (
        select status from campaign_sequence_logs where sequence_id = step.id
        union all
        select status from campaign_sequence_logs_archive where sequence_id = step.id
    ) line
) lines on true;

select secure_new_table(relation::regclass, 'org_id = (select current_org())')
from unnest(array['campaign_enrollments', 'campaign_sequence_logs']) as relation;
select secure_new_table('campaign_sequences', 'exists (
    select from campaigns owner where owner.id = campaign_sequences.campaign_id and owner.org_id = (select current_org()))');
select secure_table('campaign_sequence_logs_archive', 'org_id = (select current_org())');
revoke all on campaign_step_accounting from public, anon, authenticated;
grant select on campaign_step_accounting to authenticated, service_role, crm_relay;

comment on column campaigns.topic is 'What it is about: somebody may unsubscribe from this alone.';
comment on column campaigns.late_policy is
    'What happens to a step that is done too late: send it, skip it when over 5 minutes late, or when over late_minutes.';
comment on column campaigns.stop_company_on_reply is 'Whether the reply of one person stops the sequence for the whole account.';
comment on column campaign_sequences.reached is 'How often the engine came to this step: one for every line in the log.';
comment on column campaign_sequences.ab_test is 'metric (opened, clicked, replied), base_rate, effect, alpha, power, wait_hours.';
comment on column campaign_sequences.ab_verdict is 'The one look at the test and its reason; the winner gets whoever comes later.';
comment on column campaign_enrollments.address is 'Normalised; at most one enrollment an address and campaign.';
comment on column campaign_enrollments.next_step_at is 'When the next step is due, always inside the send window; null: none is.';
comment on column campaign_enrollments.held_for is 'Why the next step was moved instead of done: window, frequency cap, paused sender.';
comment on view campaign_step_accounting is 'Per step: reached = sent + skipped + failed + pending + stopped, or holds is false.';
comment on column inbox_items.followed_at is 'When campaigns looked at this reply; until then it may still stop a sequence.';
