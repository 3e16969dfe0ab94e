-- Tables of campaigns. Written by `make schema`: change it by a migration.


create table campaigns (
    id                     uuid        primary key default gen_random_uuid(),
    name                   text        not null,
    description            text,
    status                 text        not null default 'draft',
    send_window_start      time        not null default '09:00:00',
    send_window_end        time        not null default '17:00:00',
    send_days              text[]      not null default '{mon,tue,wed,thu,fri}',
    timezone               text        not null default 'America/New_York',
    total_sent             integer     not null default 0,
    total_active           integer     not null default 0,
    total_completed        integer     not null default 0,
    created_by             uuid        references user_profiles (id) on delete set null,
    created_at             timestamptz not null default now(),
    updated_at             timestamptz not null default now(),
    org_id                 uuid        default default_org_id(),
    source                 text        not null default 'native' check (source in ('native', 'bison', 'edge')),
    sync_version           bigint,
    use_recipient_timezone boolean     not null default false,
    identity_id            uuid        references email_identities (id) on delete set null,
    topic                  text,
    late_policy            text        not null default 'send' check (late_policy in ('send', 'skip', 'send_within')),
    late_minutes           integer     not null default 60 check (late_minutes > 0),
    stop_company_on_reply  boolean     not null default false,
    activated_at           timestamptz,
    paused_at              timestamptz,
    constraint campaigns_send_days_known
        check (source <> 'native' or lower(array_to_string(send_days, ','::text, '?'::text)) ~
        '^\s*(mon|tue|wed|thu|fri|sat|sun)\s*(,\s*(mon|tue|wed|thu|fri|sat|sun)\s*)*$'),
    constraint campaigns_send_window_ends_in_its_day
        check (source <> 'native' or send_window_start < '24:00:00'::time and send_window_end < '24:00:00'::time),
    constraint campaigns_send_window_has_length check (source <> 'native' or send_window_start <> send_window_end)
);

comment on column campaigns.source is 'native, bison or edge: only native campaigns enroll contacts.';
comment on column campaigns.topic is 'What it is about: somebody may unsubscribe from this alone.';
comment on column campaigns.late_policy is
    'What happens to a step that is done too late: send it, skip it when over 5 minutes late, or when over late_minutes.';
comment on column campaigns.stop_company_on_reply is
    'Whether the reply of one person stops the sequence for the whole account.';

create index idx_campaigns_updated on campaigns (updated_at, id);

alter table campaigns enable row level security;
create policy authenticated_read on campaigns for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on campaigns to crm_relay, service_role using (true) with check (true);

grant select on campaigns to authenticated;
grant all on campaigns to crm_relay, service_role;


create table campaign_enrollments (
    id                 uuid        primary key default gen_random_uuid(),
    org_id             uuid        not null references organizations (id) on delete cascade,
    campaign_id        uuid        not null references campaigns (id) on delete cascade,
    contact_id         uuid        not null references contacts (id) on delete cascade,
    status             text        not null default 'active'
        check (status in ('active', 'engaged', 'paused', 'replied', 'bounced', 'unsubscribed', 'stopped', 'completed')),
    current_step       integer     not null default 0,
    steps_completed    integer     not null default 0,
    next_step_at       timestamptz,
    ab_variant         text,
    emails_sent        integer     not null default 0,
    emails_opened      integer     not null default 0,
    emails_clicked     integer     not null default 0,
    linkedin_sent      integer     not null default 0,
    calls_made         integer     not null default 0,
    sms_sent           integer     not null default 0,
    engagement_score   integer     not null default 0 check (engagement_score >= 0 and engagement_score <= 100),
    last_step_at       timestamptz,
    last_engagement_at timestamptz,
    error_count        integer     not null default 0,
    last_error         text,
    last_error_at      timestamptz,
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now(),
    address            text,
    first_opened_at    timestamptz,
    first_clicked_at   timestamptz,
    replied_at         timestamptz,
    thread_id          text,
    completed_at       timestamptz,
    stopped_reason     text,
    held_for           text,
    due_at             timestamptz,
    unique (contact_id, campaign_id)
);

comment on column campaign_enrollments.next_step_at is
    'When the next step is due, always inside the send window; null: none is.';
comment on column campaign_enrollments.address is 'Normalised; at most one enrollment an address and campaign.';
comment on column campaign_enrollments.held_for is
    'Why the next step was moved instead of done: window, frequency cap, paused sender.';
comment on column campaign_enrollments.due_at is
    'When the next step was first due, where it was moved since; lateness is measured from it. Null: next_step_at says so.';

create unique index idx_campaign_enrollments_address on campaign_enrollments (campaign_id, address);
create index idx_campaign_enrollments_due on campaign_enrollments (campaign_id, current_step, next_step_at)
    where next_step_at is not null and (status in ('active', 'engaged'));
create index idx_campaign_enrollments_due_though_finished on campaign_enrollments (id) where next_step_at is not null
    and (status not in ('active', 'engaged', 'paused'));
create index idx_campaign_enrollments_finished on campaign_enrollments (updated_at)
    where status not in ('active', 'engaged', 'paused');
create index idx_campaign_enrollments_held on campaign_enrollments (org_id, held_for) where held_for is not null
    and next_step_at is not null and (status in ('active', 'engaged'));
create index idx_campaign_enrollments_page on campaign_enrollments (campaign_id, id) include (status);
create index idx_campaign_enrollments_replied on campaign_enrollments (campaign_id, current_step)
    where replied_at is not null;
create index idx_campaign_enrollments_resting on campaign_enrollments (campaign_id, status, current_step)
    where next_step_at is null or (status not in ('active', 'engaged'));

alter table campaign_enrollments enable row level security;
create policy authenticated_read on campaign_enrollments for select to authenticated
    using (org_id = (select current_org()));
create policy service_role_all on campaign_enrollments to crm_relay, service_role using (true) with check (true);

grant select on campaign_enrollments to authenticated;
grant all on campaign_enrollments to crm_relay, service_role;


create table campaign_sequences (
    id              uuid        primary key default gen_random_uuid(),
    campaign_id     uuid        not null references campaigns (id) on delete cascade,
    step_number     integer     not null check (step_number > 0),
    channel         text        not null check (channel in ('email', 'linkedin', 'phone', 'sms', 'task', 'wait')),
    delay_days      integer     not null default 0 check (delay_days >= 0),
    delay_hours     integer     not null default 0 check (delay_hours >= 0),
    delay_minutes   integer     not null default 0 check (delay_minutes >= 0),
    template_id     uuid        references email_templates (id) on delete set null,
    subject         text,
    body_html       text,
    body_text       text,
    task_config     jsonb,
    skip_conditions jsonb       not null default '[]',
    stop_on_reply   boolean     not null default true,
    ab_variants     jsonb,
    is_active       boolean     not null default true,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    ab_test         jsonb,
    ab_winner       text,
    ab_verdict      jsonb,
    reached         integer     not null default 0,
    unique (campaign_id, step_number),
    constraint campaign_sequences_conditions_are_list check (jsonb_typeof(skip_conditions) in ('array', 'null')),
    constraint campaign_sequences_delay_bounded
        check (delay_days <= 3650 and delay_hours <= 87600 and delay_minutes <= 5256000),
    constraint campaign_sequences_task_is_object
        check (task_config is null or (jsonb_typeof(task_config) in ('object', 'null'))),
    constraint campaign_sequences_test_measurable
        check (ab_test is null or jsonb_typeof(ab_test) = 'null' or channel = 'email'),
    constraint campaign_sequences_variants_readable check (
        case jsonb_typeof(ab_variants)
            when 'null'::text then true
            when 'array'::text then jsonb_array_length(ab_variants) > 0
                and not jsonb_path_exists(ab_variants,
                '$[*]?(((@.type() != "object" || !(exists (@."id"?(@.type() == "string" && @ like_regex "[^ ]")))) || exists (@."weight"?(@.type() != "number"))) || exists (@."weight"?(@ <= 0 || @ > 1000000000)))'::jsonpath)
            else ab_variants is null
        end
    )
);

comment on column campaign_sequences.ab_test is
    'metric (opened, clicked, replied), base_rate, effect, alpha, power, wait_hours.';
comment on column campaign_sequences.ab_verdict is
    'The one look at the test and its reason; the winner gets whoever comes later.';
comment on column campaign_sequences.reached is
    'How often the engine came to this step: one for every line in the log.';

alter table campaign_sequences enable row level security;
create policy authenticated_read on campaign_sequences for select to authenticated
    using ((exists (select from campaigns owner where owner.id = campaign_sequences.campaign_id
        and owner.org_id = (select current_org()))));
create policy service_role_all on campaign_sequences to crm_relay, service_role using (true) with check (true);

grant select on campaign_sequences to authenticated;
grant all on campaign_sequences to crm_relay, service_role;


create table campaign_sequence_logs (
    id            uuid        primary key default gen_random_uuid(),
    org_id        uuid        not null references organizations (id) on delete cascade,
    campaign_id   uuid        not null references campaigns (id) on delete cascade,
    enrollment_id uuid        not null references campaign_enrollments (id) on delete cascade,
    sequence_id   uuid        not null references campaign_sequences (id) on delete cascade,
    step_number   integer     not null,
    channel       text        not null,
    status        text        not null check (status in ('pending', 'sent', 'skipped', 'failed', 'stopped')),
    ab_variant    text,
    scheduled_at  timestamptz,
    sent_at       timestamptz,
    created_at    timestamptz not null default now(),
    reason        text,
    activity_id   uuid,
    updated_at    timestamptz not null default now(),
    unique (enrollment_id, sequence_id)
);

create index idx_campaign_sequence_logs_step on campaign_sequence_logs (sequence_id, status);

alter table campaign_sequence_logs enable row level security;
create policy authenticated_read on campaign_sequence_logs for select to authenticated
    using (org_id = (select current_org()));
create policy service_role_all on campaign_sequence_logs to crm_relay, service_role using (true) with check (true);

grant select on campaign_sequence_logs to authenticated;
grant all on campaign_sequence_logs to crm_relay, service_role;


create table campaign_sequence_logs_archive (
    id            uuid        primary key default gen_random_uuid(),
    org_id        uuid        not null,
    campaign_id   uuid        not null,
    enrollment_id uuid        not null,
    sequence_id   uuid        not null,
    step_number   integer     not null,
    channel       text        not null,
    status        text        not null,
    ab_variant    text,
    scheduled_at  timestamptz,
    sent_at       timestamptz,
    created_at    timestamptz not null default now(),
    reason        text,
    activity_id   uuid,
    updated_at    timestamptz not null default now(),
    archived_at   timestamptz not null default now()
);

create index idx_campaign_sequence_logs_archive_enrollment on campaign_sequence_logs_archive (enrollment_id);
create index idx_campaign_sequence_logs_archive_step on campaign_sequence_logs_archive (sequence_id, status);

alter table campaign_sequence_logs_archive enable row level security;
create policy authenticated_read on campaign_sequence_logs_archive for select to authenticated
    using (org_id = (select current_org()));
create policy service_role_all on campaign_sequence_logs_archive to crm_relay, service_role
    using (true)
    with check (true);

grant select on campaign_sequence_logs_archive to authenticated;
grant all on campaign_sequence_logs_archive to crm_relay, service_role;


create table campaign_total_changes (
    id          bigint      generated always as identity primary key,
    campaign_id uuid        not null,
    active      integer     not null,
    completed   integer     not null,
    sent        integer     not null,
    changed_at  timestamptz not null default clock_timestamp()
);

comment on table campaign_total_changes is
    'Changes of a campaign''s totals while its row was locked; campaign_cron adds them once the row is free.';

create index idx_campaign_total_changes_campaign on campaign_total_changes (campaign_id);

alter table campaign_total_changes enable row level security;
create policy authenticated_read on campaign_total_changes for select to authenticated
    using ((exists (select from campaigns owner where owner.id = campaign_total_changes.campaign_id
        and owner.org_id = (select current_org()))));
create policy service_role_all on campaign_total_changes to crm_relay, service_role using (true) with check (true);

grant select on campaign_total_changes to authenticated;
grant all on campaign_total_changes to crm_relay, service_role;


create table campaign_unsettled (
    send_id       uuid        primary key,
    channel       text        not null check (channel in ('email', 'sms')),
    fate          text        not null,
    reason        text,
    enrollment_id uuid        not null,
    sequence_id   uuid,
    has_events    boolean     not null,
    since         timestamptz not null default clock_timestamp()
);

comment on table campaign_unsettled is
    'Messages whose fate is recorded while their step could not be settled, since its row was locked or refused; campaign_cron settles it.';

create index idx_campaign_unsettled_enrollment on campaign_unsettled (enrollment_id);

alter table campaign_unsettled enable row level security;
create policy authenticated_read on campaign_unsettled for select to authenticated
    using ((exists (select from campaign_enrollments enrollment where enrollment.id = campaign_unsettled.enrollment_id
        and enrollment.org_id = (select current_org()))));
create policy service_role_all on campaign_unsettled to crm_relay, service_role using (true) with check (true);

grant select on campaign_unsettled to authenticated;
grant all on campaign_unsettled to crm_relay, service_role;
