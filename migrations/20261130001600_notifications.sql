-- Notifications to colleagues: what each person wants, what each one was sent on which channel, and in which digest it left.
set local lock_timeout = '5s';
select remember_tables();

alter table user_profiles add column if not exists name text;
alter table user_profiles add column if not exists phone text;
alter table user_profiles add column if not exists role text;
alter table user_profiles add column if not exists timezone text;
alter table user_profiles add column if not exists locale text;
alter table user_profiles add column if not exists is_active boolean not null default true;

-- Whether PostgreSQL knows the zone. Asked where a zone is saved, so that no reader meets one that it cannot use.
create or replace function is_time_zone(zone text) returns boolean
language plpgsql stable
as $$
begin
    perform timestamptz '2026-01-01 00:00:00+00' at time zone zone;
    return zone is not null;
exception
    when others then return false;
end
$$;

create or replace function are_notification_channels(channels jsonb) returns boolean
language sql immutable
as $$
    select jsonb_typeof(channels) = 'array' and channels <@ '["in_app", "email", "slack", "sms", "push"]'
$$;

-- An organization's defaults for a category. No row: in_app and email, at once.
create table if not exists notification_categories (
    org_id uuid not null references organizations (id) on delete cascade,
    category varchar(100) not null,
    channels jsonb not null default '["in_app", "email"]' check (are_notification_channels(channels)),
    frequency varchar(50) not null default 'immediate'
        check (frequency in ('immediate', 'hourly_digest', 'daily_digest', 'weekly_digest', 'never')),
    is_critical boolean not null default false,
    updated_at timestamptz not null default now(),
    primary key (org_id, category)
);

create table if not exists notification_preferences (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations (id) on delete cascade,
    user_id uuid not null references user_profiles (id) on delete cascade,
    category varchar(100) not null,
    channels jsonb default '["in_app"]',
    frequency varchar(50) default 'immediate'
        check (frequency in ('immediate', 'hourly_digest', 'daily_digest', 'weekly_digest', 'never')),
    digest_time time default '09:00',
    digest_day varchar(10) default 'monday',
    quiet_hours_enabled boolean default false,
    quiet_hours_start time default '22:00',
    quiet_hours_end time default '08:00',
    quiet_hours_timezone varchar(50) default 'America/New_York',
    dnd_enabled boolean default false,
    dnd_until timestamptz,
    sound_enabled boolean default true,
    email_unsubscribed boolean default false,
    email_unsubscribed_at timestamptz,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    constraint unique_user_category unique (user_id, category),
    constraint preference_channels check (are_notification_channels(channels)),
    constraint preference_digest_day check (
        digest_day in ('monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday')
    ),
    constraint preference_zone check (is_time_zone(quiet_hours_timezone))
);
create index if not exists idx_notification_preferences_user on notification_preferences (user_id);
create index if not exists idx_notification_preferences_org_user on notification_preferences (org_id, user_id);
create index if not exists idx_notification_preferences_dnd on notification_preferences (dnd_until) where dnd_enabled = true;

create table if not exists notification_templates (
    id uuid primary key default gen_random_uuid(),
    org_id uuid references organizations (id) on delete cascade,
    name varchar(100) not null,
    slug varchar(100) not null,
    description text,
    category varchar(100) not null,
    title_template varchar(500) not null,
    message_template text not null,
    default_type varchar(50) default 'info' check (default_type in ('info', 'success', 'warning', 'error', 'action_required')),
    default_priority varchar(20) default 'normal' check (default_priority in ('low', 'normal', 'high', 'urgent')),
    action_url_template text,
    action_label varchar(100),
    email_subject_template varchar(500),
    email_body_template text,
    email_body_text_template text,
    sms_template varchar(500),
    push_title_template varchar(100),
    push_body_template varchar(255),
    push_image_url text,
    default_channels jsonb default '["in_app"]',
    variables jsonb default '[]',
    conditions jsonb default '{}',
    is_active boolean default true,
    is_system boolean default false,
    version integer default 1,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    created_by uuid references user_profiles (id) on delete set null,
    is_critical boolean not null default false,
    unless_read_within integer,
    constraint unique_template_slug unique nulls not distinct (org_id, slug),
    constraint template_channels check (are_notification_channels(default_channels)),
    constraint template_shapes check (jsonb_typeof(variables) = 'array' and jsonb_typeof(conditions) = 'object'),
    constraint template_wait check (unless_read_within between 1 and 10080),
    constraint system_template_is_nobodys check (is_system = (org_id is null))
);
create index if not exists idx_notification_templates_org on notification_templates (org_id) where is_active = true;
create index if not exists idx_notification_templates_category on notification_templates (org_id, category) where is_active = true;
create index if not exists idx_notification_templates_slug on notification_templates (org_id, slug);

-- Tables that an application made from the documents have fewer columns.
alter table notification_templates alter column org_id drop not null;
alter table notification_templates add column if not exists is_critical boolean not null default false;
alter table notification_templates add column if not exists unless_read_within integer;
alter table notifications add column if not exists entity_type text;
alter table notifications add column if not exists entity_id uuid;
alter table notifications add column if not exists action_url text;
alter table notifications add column if not exists action_label text;
alter table notifications add column if not exists channels jsonb not null default '["in_app"]';
alter table notifications add column if not exists priority text not null default 'normal';
alter table notifications add column if not exists group_key text;
alter table notifications add column if not exists expires_at timestamptz;
alter table notifications add column if not exists delivery_status jsonb not null default '{}';
alter table notifications add column if not exists read_at timestamptz;
alter table notifications add column if not exists archived_at timestamptz;
alter table notifications add column if not exists created_at timestamptz not null default now();

-- A row that the application writes itself keeps these empty, and is only shown.
alter table notifications add column if not exists template_slug text;
alter table notifications add column if not exists template_version integer;
alter table notifications add column if not exists event_key text;
alter table notifications add column if not exists group_count integer;
alter table notifications add column if not exists is_critical boolean not null default false;
alter table notifications add column if not exists is_silent boolean not null default false;
alter table notifications add column if not exists updated_at timestamptz not null default now();
alter table notifications add column if not exists unless_read_within integer;
-- Why it is over for everybody, a word of ours such as 'decided'.
alter table notifications add column if not exists withdrawn_for text;

-- One unread row a group and person: an update moves it instead of adding another.
create unique index if not exists idx_notifications_open_group on notifications (user_id, group_key)
    where group_key is not null and group_count is not null and read_at is null and archived_at is null;
create index if not exists idx_notifications_unread on notifications (user_id) where read_at is null and archived_at is null;

-- The same event is one notification for ever: a key outlives the rows.
create table if not exists notification_keys (
    user_id uuid not null references user_profiles (id) on delete cascade,
    event_key text not null,
    created_at timestamptz not null default now(),
    primary key (user_id, event_key)
);

create table if not exists notification_digests (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations (id) on delete cascade,
    user_id uuid not null references user_profiles (id) on delete cascade,
    channel varchar(20) not null,
    leaves_at timestamptz not null,
    not_before timestamptz not null,
    state text not null default 'open' check (state in ('open', 'queued', 'sending', 'sent', 'dry_run', 'empty', 'skipped', 'failed', 'unknown')),
    reason text,
    claimed_until timestamptz,
    attempts integer not null default 0,
    send_id uuid,
    lines integer,
    content jsonb,
    left_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create unique index if not exists idx_notification_digests_open on notification_digests (user_id, channel, leaves_at) where state = 'open';
create index if not exists idx_notification_digests_due on notification_digests (not_before) where state = 'open';
create index if not exists idx_notification_digests_slack on notification_digests (not_before) where channel = 'slack' and state in ('queued', 'sending');

-- One row a notification and channel. `round` counts how often a group's row was sent anew; `state`:
-- waiting (from not_before on, for a reason or for its turn) · digest (a member of digest_id) · queued (in the ledger of mail or
-- text messages as send_id) · sending (asked of a channel that has no ledger) · sent · dry_run · skipped · failed · unknown.
create table if not exists notification_deliveries (
    id uuid primary key default gen_random_uuid(),
    notification_id uuid not null references notifications (id) on delete cascade,
    org_id uuid not null references organizations (id) on delete cascade,
    user_id uuid not null references user_profiles (id) on delete cascade,
    channel varchar(20) not null,
    category varchar(100) not null,
    lane smallint not null default 2,
    state text not null check (state in ('waiting', 'digest', 'queued', 'sending', 'sent', 'dry_run', 'skipped', 'failed', 'unknown')),
    reason text,
    not_before timestamptz,
    claimed_until timestamptz,
    attempts integer not null default 0,
    round integer not null default 0,
    digest_id uuid references notification_digests (id) on delete set null,
    send_id uuid,
    content jsonb,
    left_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint one_delivery_a_channel unique (notification_id, channel),
    constraint delivery_waits_until check (state <> 'waiting' or not_before is not null),
    constraint member_of_a_digest check (state <> 'digest' or digest_id is not null)
);
create index if not exists idx_notification_deliveries_due on notification_deliveries (lane, not_before) where state = 'waiting';
create index if not exists idx_notification_deliveries_slack on notification_deliveries (lane, not_before)
    where channel = 'slack' and state in ('queued', 'sending');
-- A channel of an organization shows an event once, however many people it concerns.
create unique index if not exists idx_notification_deliveries_posted on notification_deliveries (send_id)
    where channel = 'slack' and send_id is not null;
create index if not exists idx_notification_deliveries_digest on notification_deliveries (digest_id) where digest_id is not null;
create index if not exists idx_notification_deliveries_left on notification_deliveries (user_id, left_at) where left_at is not null;
create index if not exists idx_notification_deliveries_open on notification_deliveries (user_id, category) where state in ('waiting', 'digest');

-- Incoming webhooks of Slack: an organization's (user_id null) or a person's. The address is the secret.
create table if not exists notification_slack_webhooks (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations (id) on delete cascade,
    user_id uuid references user_profiles (id) on delete cascade,
    webhook_url text not null,
    disabled_at timestamptz,
    disabled_reason text,
    rests_until timestamptz,
    created_at timestamptz not null default now(),
    constraint one_slack_webhook unique nulls not distinct (org_id, user_id)
);

-- What a person may read. Of deliveries and digests everything but the content and the ids of other ledgers.
select secure_new_table('notification_categories', 'org_id = (select current_org())');
select secure_new_table('notification_preferences', 'user_id = (select current_user_id())');
select secure_new_table('notification_templates', '(select current_org()) is not null and (org_id is null or org_id = (select current_org()))');
select secure_new_table('notification_digests', 'user_id = (select current_user_id())');
select secure_new_table('notification_deliveries', 'user_id = (select current_user_id())');
select secure_new_table(relation::regclass) from unnest(array['notification_keys', 'notification_slack_webhooks']) as relation;

revoke select on notification_deliveries, notification_digests from authenticated;
grant select (id, notification_id, org_id, user_id, channel, category, state, reason, not_before, round, digest_id, left_at, created_at, updated_at)
    on notification_deliveries to authenticated;
grant select (id, org_id, user_id, channel, leaves_at, not_before, state, reason, lines, left_at, created_at, updated_at)
    on notification_digests to authenticated;

-- A check is made with the rights of the one who writes the row.
revoke all on function is_time_zone(text), are_notification_channels(jsonb) from public, anon;
grant execute on function is_time_zone(text), are_notification_channels(jsonb) to authenticated, service_role, crm_relay;
