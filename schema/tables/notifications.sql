-- Tables of notifications. Written by `make schema`: change it by a migration.


create table notification_digests (
    id            uuid        primary key default gen_random_uuid(),
    org_id        uuid        not null references organizations (id) on delete cascade,
    user_id       uuid        not null references user_profiles (id) on delete cascade,
    channel       varchar(20) not null,
    leaves_at     timestamptz not null,
    not_before    timestamptz not null,
    state         text        not null default 'open'
        check (state in ('open', 'queued', 'sending', 'sent', 'dry_run', 'empty', 'skipped', 'failed', 'unknown')),
    reason        text,
    claimed_until timestamptz,
    attempts      integer     not null default 0,
    send_id       uuid,
    lines         integer,
    content       jsonb,
    left_at       timestamptz,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);

create index idx_notification_digests_due on notification_digests (not_before) where state = 'open';
create unique index idx_notification_digests_open on notification_digests (user_id, channel, leaves_at)
    where state = 'open';
create index idx_notification_digests_slack on notification_digests (not_before) where channel = 'slack'
    and (state in ('queued', 'sending'));

alter table notification_digests enable row level security;
create policy authenticated_read on notification_digests for select to authenticated
    using (user_id = (select current_user_id()));
create policy service_role_all on notification_digests to crm_relay, service_role using (true) with check (true);

grant all on notification_digests to crm_relay, service_role;
grant select (channel, created_at, id, leaves_at, left_at, lines, not_before, org_id, reason, state, updated_at,
    user_id) on notification_digests to authenticated;


create table notification_deliveries (
    id              uuid         primary key default gen_random_uuid(),
    notification_id uuid         not null references notifications (id) on delete cascade,
    org_id          uuid         not null references organizations (id) on delete cascade,
    user_id         uuid         not null references user_profiles (id) on delete cascade,
    channel         varchar(20)  not null,
    category        varchar(100) not null,
    lane            smallint     not null default 2,
    state           text         not null
        check (state in ('waiting', 'digest', 'queued', 'sending', 'sent', 'dry_run', 'skipped', 'failed', 'unknown')),
    reason          text,
    not_before      timestamptz,
    claimed_until   timestamptz,
    attempts        integer      not null default 0,
    round           integer      not null default 0,
    digest_id       uuid         references notification_digests (id) on delete set null,
    send_id         uuid,
    content         jsonb,
    left_at         timestamptz,
    created_at      timestamptz  not null default now(),
    updated_at      timestamptz  not null default now(),
    post_id         uuid,
    constraint one_delivery_a_channel unique (notification_id, channel),
    constraint delivery_waits_until check (state <> 'waiting' or not_before is not null),
    constraint member_of_a_digest check (state <> 'digest' or digest_id is not null)
);

create index idx_notification_deliveries_category on notification_deliveries (org_id, category)
    where state in ('waiting', 'digest');
create index idx_notification_deliveries_created on notification_deliveries (created_at);
create index idx_notification_deliveries_digest on notification_deliveries (digest_id) where digest_id is not null;
create index idx_notification_deliveries_due on notification_deliveries (lane, not_before) where state = 'waiting';
create index idx_notification_deliveries_left on notification_deliveries (user_id, left_at) where left_at is not null;
create index idx_notification_deliveries_open on notification_deliveries (user_id, category)
    where state in ('waiting', 'digest');
create index idx_notification_deliveries_post on notification_deliveries (post_id) where post_id is not null;
create unique index idx_notification_deliveries_posted on notification_deliveries (send_id) where channel = 'slack'
    and send_id is not null;
create index idx_notification_deliveries_slack on notification_deliveries (lane, not_before) where channel = 'slack'
    and (state in ('queued', 'sending'));
create index idx_notification_deliveries_troubled on notification_deliveries (channel, updated_at)
    where state in ('failed', 'unknown');

alter table notification_deliveries enable row level security;
create policy authenticated_read on notification_deliveries for select to authenticated
    using (user_id = (select current_user_id()));
create policy service_role_all on notification_deliveries to crm_relay, service_role using (true) with check (true);

grant all on notification_deliveries to crm_relay, service_role;
grant select (category, channel, created_at, digest_id, id, left_at, not_before, notification_id, org_id, reason, round,
    state, updated_at, user_id) on notification_deliveries to authenticated;


create table notification_categories (
    org_id      uuid         not null references organizations (id) on delete cascade,
    category    varchar(100) not null,
    channels    jsonb        not null default '["in_app", "email"]' check (are_notification_channels(channels)),
    frequency   varchar(50)  not null default 'immediate'
        check (frequency in ('immediate', 'hourly_digest', 'daily_digest', 'weekly_digest', 'never')),
    is_critical boolean      not null default false,
    updated_at  timestamptz  not null default now(),
    primary key (org_id, category)
);

alter table notification_categories enable row level security;
create policy authenticated_read on notification_categories for select to authenticated
    using (org_id = (select current_org()));
create policy service_role_all on notification_categories to crm_relay, service_role using (true) with check (true);

grant select on notification_categories to authenticated;
grant all on notification_categories to crm_relay, service_role;


create table notification_keys (
    user_id    uuid        not null references user_profiles (id) on delete cascade,
    event_key  text        not null,
    created_at timestamptz not null default now(),
    primary key (user_id, event_key)
);

alter table notification_keys enable row level security;
create policy service_role_all on notification_keys to crm_relay, service_role using (true) with check (true);

grant all on notification_keys to crm_relay, service_role;


create table notification_posts (
    id            uuid        primary key,
    org_id        uuid        not null references organizations (id) on delete cascade,
    delivery_id   uuid        not null,
    state         text        not null default 'open' check (state in ('open', 'sent', 'failed', 'unknown')),
    reason        text,
    claimed_until timestamptz,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);

create index idx_notification_posts_open on notification_posts (id) where state = 'open';

alter table notification_posts enable row level security;
create policy service_role_all on notification_posts to crm_relay, service_role using (true) with check (true);

grant all on notification_posts to crm_relay, service_role;


create table notification_preferences (
    id                    uuid         primary key default gen_random_uuid(),
    org_id                uuid         not null default current_org() references organizations (id) on delete cascade,
    user_id               uuid         not null default current_user_id()
        references user_profiles (id) on delete cascade,
    category              varchar(100) not null,
    channels              jsonb        default '["in_app"]',
    frequency             varchar(50)  default 'immediate'
        check (frequency in ('immediate', 'hourly_digest', 'daily_digest', 'weekly_digest', 'never')),
    digest_time           time         default '09:00:00',
    digest_day            varchar(10)  default 'monday',
    quiet_hours_enabled   boolean      default false,
    quiet_hours_start     time         default '22:00:00',
    quiet_hours_end       time         default '08:00:00',
    quiet_hours_timezone  varchar(50)  default own_time_zone(),
    dnd_enabled           boolean      default false,
    dnd_until             timestamptz,
    sound_enabled         boolean      default true,
    email_unsubscribed    boolean      default false,
    email_unsubscribed_at timestamptz,
    created_at            timestamptz  default now(),
    updated_at            timestamptz  default now(),
    constraint unique_user_category unique (user_id, category),
    constraint preference_channels check (are_notification_channels(channels)),
    constraint preference_digest_day
        check (digest_day in ('monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday')),
    constraint preference_zone check (is_time_zone(quiet_hours_timezone::text))
);

create index idx_notification_preferences_dnd on notification_preferences (dnd_until) where dnd_enabled = true;
create index idx_notification_preferences_org_user on notification_preferences (org_id, user_id);
create index idx_notification_preferences_user on notification_preferences (user_id);

alter table notification_preferences enable row level security;
create policy authenticated_read on notification_preferences for select to authenticated
    using (user_id = (select current_user_id()));
create policy own_preferences on notification_preferences to authenticated
    using (user_id = (select current_user_id()))
    with check (user_id = (select current_user_id()) and org_id = (select current_org()));
create policy service_role_all on notification_preferences to crm_relay, service_role using (true) with check (true);

grant select, delete on notification_preferences to authenticated;
grant all on notification_preferences to crm_relay, service_role;
grant insert (category, channels, digest_day, digest_time, dnd_enabled, dnd_until, email_unsubscribed, frequency,
    org_id, quiet_hours_enabled, quiet_hours_end, quiet_hours_start, quiet_hours_timezone, sound_enabled, user_id),
    update (category, channels, digest_day, digest_time, dnd_enabled, dnd_until, email_unsubscribed, frequency, org_id,
    quiet_hours_enabled, quiet_hours_end, quiet_hours_start, quiet_hours_timezone, sound_enabled, user_id) on
    notification_preferences to authenticated;


create table notification_slack_webhooks (
    id              uuid        primary key default gen_random_uuid(),
    org_id          uuid        not null references organizations (id) on delete cascade,
    user_id         uuid        references user_profiles (id) on delete cascade,
    webhook_url     text        not null,
    disabled_at     timestamptz,
    disabled_reason text,
    rests_until     timestamptz,
    created_at      timestamptz not null default now(),
    constraint one_slack_webhook unique nulls not distinct (org_id, user_id)
);

alter table notification_slack_webhooks enable row level security;
create policy service_role_all on notification_slack_webhooks to crm_relay, service_role using (true) with check (true);

grant all on notification_slack_webhooks to crm_relay, service_role;


create table notification_templates (
    id                       uuid         primary key default gen_random_uuid(),
    org_id                   uuid         references organizations (id) on delete cascade,
    name                     varchar(100) not null,
    slug                     varchar(100) not null,
    description              text,
    category                 varchar(100) not null,
    title_template           varchar(500) not null,
    message_template         text         not null,
    default_type             varchar(50)  default 'info'
        check (default_type in ('info', 'success', 'warning', 'error', 'action_required')),
    default_priority         varchar(20)  default 'normal'
        check (default_priority in ('low', 'normal', 'high', 'urgent')),
    action_url_template      text,
    action_label             varchar(100),
    email_subject_template   varchar(500),
    email_body_template      text,
    email_body_text_template text,
    sms_template             varchar(500),
    push_title_template      varchar(100),
    push_body_template       varchar(255),
    push_image_url           text,
    default_channels         jsonb        default '["in_app"]',
    variables                jsonb        default '[]',
    conditions               jsonb        default '{}',
    is_active                boolean      default true,
    is_system                boolean      default false,
    version                  integer      default 1,
    created_at               timestamptz  default now(),
    updated_at               timestamptz  default now(),
    created_by               uuid         references user_profiles (id) on delete set null,
    is_critical              boolean      not null default false,
    unless_read_within       integer,
    constraint unique_template_slug unique nulls not distinct (org_id, slug),
    constraint system_template_is_nobodys check (is_system = (org_id is null)),
    constraint template_channels check (are_notification_channels(default_channels)),
    constraint template_shapes check (jsonb_typeof(variables) = 'array' and jsonb_typeof(conditions) = 'object'),
    constraint template_wait check (unless_read_within >= 1 and unless_read_within <= 10080)
);

alter table notification_templates add constraint template_action_url
    check (action_url_template ~ '^(/([^/\\]|$)|https://)') not valid;

create index idx_notification_templates_category on notification_templates (org_id, category) where is_active = true;
create index idx_notification_templates_org on notification_templates (org_id) where is_active = true;
create index idx_notification_templates_slug on notification_templates (org_id, slug);

alter table notification_templates enable row level security;
create policy authenticated_read on notification_templates for select to authenticated
    using ((select current_org()) is not null and (org_id is null or org_id = (select current_org())));
create policy service_role_all on notification_templates to crm_relay, service_role using (true) with check (true);

grant select on notification_templates to authenticated;
grant all on notification_templates to crm_relay, service_role;
