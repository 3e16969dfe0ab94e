-- Tables of crm. Written by `make schema`: change it by a migration.


create table organizations (
    id             uuid        primary key default gen_random_uuid(),
    name           text        not null,
    created_at     timestamptz not null default now(),
    postal_address text,
    settings       jsonb       not null default '{}'
);

alter table organizations enable row level security;
create policy authenticated_read on organizations for select to authenticated using (id = (select current_org()));
create policy service_role_all on organizations to crm_relay, service_role using (true) with check (true);

grant select on organizations to authenticated;
grant all on organizations to crm_relay, service_role;


create table user_profiles (
    id         uuid        primary key default gen_random_uuid(),
    org_id     uuid        references organizations (id) on delete cascade,
    email      text,
    manager_id uuid        references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    name       text,
    phone      text,
    role       text,
    timezone   text,
    locale     text,
    is_active  boolean     not null default true,
    out_until  timestamptz,
    deputy_id  uuid        references user_profiles (id) on delete set null
);

alter table user_profiles enable row level security;
create policy authenticated_read on user_profiles for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on user_profiles to crm_relay, service_role using (true) with check (true);

grant select on user_profiles to authenticated;
grant all on user_profiles to crm_relay, service_role;


create table accounts (
    id         uuid        primary key default gen_random_uuid(),
    org_id     uuid        not null default default_org_id() references organizations (id) on delete cascade,
    name       text        not null,
    domain     text,
    industry   text,
    status     text        not null default 'active',
    owner_id   uuid        references user_profiles (id) on delete set null,
    created_by uuid        references user_profiles (id) on delete set null,
    updated_by uuid        references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);

alter table accounts enable row level security;
create policy authenticated_read on accounts for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on accounts to crm_relay, service_role using (true) with check (true);

grant select on accounts to authenticated;
grant all on accounts to crm_relay, service_role;


create table contacts (
    id           uuid        primary key default gen_random_uuid(),
    org_id       uuid        not null default default_org_id() references organizations (id) on delete cascade,
    account_id   uuid        references accounts (id) on delete set null,
    email        text,
    phone        text,
    first_name   text,
    last_name    text,
    company_name text,
    title        text,
    timezone     text,
    linkedin_url text,
    status       text        not null default 'active',
    owner_id     uuid        references user_profiles (id) on delete set null,
    created_by   uuid        references user_profiles (id) on delete set null,
    updated_by   uuid        references user_profiles (id) on delete set null,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    deleted_at   timestamptz
);

create index idx_contacts_account on contacts (account_id) where account_id is not null;
create index idx_contacts_address_begins on contacts (normalise_address(email) text_pattern_ops);
create index idx_contacts_last_name_begins on contacts (lower(last_name) text_pattern_ops);
create index idx_contacts_normalised on contacts (normalise_address(email));
create index idx_contacts_org on contacts (org_id);
create index idx_contacts_phone on contacts (normalise_phone(phone));

alter table contacts enable row level security;
create policy authenticated_read on contacts for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on contacts to crm_relay, service_role using (true) with check (true);

grant select on contacts to authenticated;
grant all on contacts to crm_relay, service_role;


create table deals (
    id                  uuid          primary key default gen_random_uuid(),
    org_id              uuid          not null default default_org_id() references organizations (id) on delete cascade,
    account_id          uuid          references accounts (id) on delete set null,
    lead_contact_id     uuid          references contacts (id) on delete set null,
    name                text          not null,
    value               numeric(14,2),
    currency            text          not null default 'USD',
    stage               text,
    stage_id            uuid,
    status              text          not null default 'open',
    probability         integer,
    expected_close_date date,
    closed_at           timestamptz,
    owner_id            uuid          references user_profiles (id) on delete set null,
    created_by          uuid          references user_profiles (id) on delete set null,
    updated_by          uuid          references user_profiles (id) on delete set null,
    created_at          timestamptz   not null default now(),
    updated_at          timestamptz   not null default now(),
    deleted_at          timestamptz
);

create index idx_deals_lead_contact on deals (lead_contact_id) where deleted_at is null;

alter table deals enable row level security;
create policy authenticated_read on deals for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on deals to crm_relay, service_role using (true) with check (true);

grant select on deals to authenticated;
grant all on deals to crm_relay, service_role;


create table deal_stages_history (
    id               uuid        primary key default gen_random_uuid(),
    org_id           uuid        not null default default_org_id() references organizations (id) on delete cascade,
    deal_id          uuid        not null references deals (id) on delete cascade,
    from_stage_id    uuid,
    to_stage_id      uuid,
    from_probability integer,
    to_probability   integer,
    days_in_stage    integer,
    notes            text,
    changed_by       uuid        references user_profiles (id) on delete set null,
    changed_at       timestamptz not null default now()
);

create index idx_deal_stages_history_deal on deal_stages_history (deal_id, changed_at);

alter table deal_stages_history enable row level security;
create policy authenticated_read on deal_stages_history for select to authenticated
    using (org_id = (select current_org()));
create policy service_role_all on deal_stages_history to crm_relay, service_role using (true) with check (true);

grant select on deal_stages_history to authenticated;
grant all on deal_stages_history to crm_relay, service_role;


create table jobs (
    id         uuid        primary key default gen_random_uuid(),
    org_id     uuid        not null default default_org_id() references organizations (id) on delete cascade,
    account_id uuid        references accounts (id) on delete set null,
    title      text        not null,
    status     text        not null default 'open',
    owner_id   uuid        references user_profiles (id) on delete set null,
    created_by uuid        references user_profiles (id) on delete set null,
    updated_by uuid        references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);

alter table jobs enable row level security;
create policy authenticated_read on jobs for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on jobs to crm_relay, service_role using (true) with check (true);

grant select on jobs to authenticated;
grant all on jobs to crm_relay, service_role;


create table submissions (
    id           uuid        primary key default gen_random_uuid(),
    org_id       uuid        not null default default_org_id() references organizations (id) on delete cascade,
    job_id       uuid        references jobs (id) on delete cascade,
    candidate_id uuid        references contacts (id) on delete set null,
    status       text        not null default 'submitted',
    owner_id     uuid        references user_profiles (id) on delete set null,
    created_by   uuid        references user_profiles (id) on delete set null,
    updated_by   uuid        references user_profiles (id) on delete set null,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    deleted_at   timestamptz
);

alter table submissions enable row level security;
create policy authenticated_read on submissions for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on submissions to crm_relay, service_role using (true) with check (true);

grant select on submissions to authenticated;
grant all on submissions to crm_relay, service_role;


create table placements (
    id            uuid        primary key default gen_random_uuid(),
    org_id        uuid        not null default default_org_id() references organizations (id) on delete cascade,
    submission_id uuid        references submissions (id) on delete set null,
    job_id        uuid        references jobs (id) on delete set null,
    candidate_id  uuid        references contacts (id) on delete set null,
    status        text        not null default 'active',
    start_date    date,
    end_date      date,
    owner_id      uuid        references user_profiles (id) on delete set null,
    created_by    uuid        references user_profiles (id) on delete set null,
    updated_by    uuid        references user_profiles (id) on delete set null,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    deleted_at    timestamptz
);

alter table placements enable row level security;
create policy authenticated_read on placements for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on placements to crm_relay, service_role using (true) with check (true);

grant select on placements to authenticated;
grant all on placements to crm_relay, service_role;


create table workflows (
    id            uuid        primary key default gen_random_uuid(),
    org_id        uuid        not null default default_org_id() references organizations (id) on delete cascade,
    name          text        not null,
    description   text,
    entity_type   text        not null,
    definition    jsonb       not null default '{}',
    is_active     boolean     not null default false,
    version       integer     not null default 1,
    created_by    uuid        references user_profiles (id) on delete set null,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    deleted_at    timestamptz,
    paused_at     timestamptz,
    paused_reason text,
    owner_id      uuid        references user_profiles (id) on delete set null
);

create index idx_workflows_entity on workflows (org_id, entity_type) where is_active and deleted_at is null;

alter table workflows enable row level security;
create policy authenticated_read on workflows for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on workflows to crm_relay, service_role using (true) with check (true);

grant select on workflows to authenticated;
grant all on workflows to crm_relay, service_role;


create table workflow_states (
    id          uuid        primary key default gen_random_uuid(),
    workflow_id uuid        not null references workflows (id) on delete cascade,
    name        text        not null,
    state_type  text        not null default 'intermediate',
    "position"  integer     not null default 0,
    config      jsonb       not null default '{}',
    created_at  timestamptz not null default now()
);

create index idx_workflow_states_workflow on workflow_states (workflow_id);

alter table workflow_states enable row level security;
create policy authenticated_read on workflow_states for select to authenticated
    using ((exists (select from workflows owner where owner.id = workflow_states.workflow_id
        and owner.org_id = (select current_org()))));
create policy service_role_all on workflow_states to crm_relay, service_role using (true) with check (true);

grant select on workflow_states to authenticated;
grant all on workflow_states to crm_relay, service_role;


create table workflow_instances (
    id               uuid        primary key default gen_random_uuid(),
    org_id           uuid        not null default default_org_id() references organizations (id) on delete cascade,
    workflow_id      uuid        not null references workflows (id) on delete cascade,
    entity_type      text        not null,
    entity_id        uuid        not null,
    current_state_id uuid        references workflow_states (id) on delete set null,
    status           text        not null default 'active',
    created_by       uuid        references user_profiles (id) on delete set null,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    last_started_at  timestamptz,
    unique (workflow_id, entity_type, entity_id)
);

create unique index idx_workflow_instances_entity on workflow_instances (workflow_id, entity_type, entity_id);

alter table workflow_instances enable row level security;
create policy authenticated_read on workflow_instances for select to authenticated
    using (org_id = (select current_org()));
create policy service_role_all on workflow_instances to crm_relay, service_role using (true) with check (true);

grant select on workflow_instances to authenticated;
grant all on workflow_instances to crm_relay, service_role;


create table workflow_transitions (
    id            uuid        primary key default gen_random_uuid(),
    workflow_id   uuid        not null references workflows (id) on delete cascade,
    from_state_id uuid        references workflow_states (id) on delete cascade,
    to_state_id   uuid        references workflow_states (id) on delete cascade,
    name          text,
    config        jsonb       not null default '{}',
    created_at    timestamptz not null default now()
);

create index idx_workflow_transitions_workflow on workflow_transitions (workflow_id);

alter table workflow_transitions enable row level security;
create policy authenticated_read on workflow_transitions for select to authenticated
    using ((exists (select from workflows owner where owner.id = workflow_transitions.workflow_id
        and owner.org_id = (select current_org()))));
create policy service_role_all on workflow_transitions to crm_relay, service_role using (true) with check (true);

grant select on workflow_transitions to authenticated;
grant all on workflow_transitions to crm_relay, service_role;


create table activities (
    id                    uuid        primary key default gen_random_uuid(),
    org_id                uuid        not null default default_org_id() references organizations (id) on delete cascade,
    entity_type           text        not null,
    entity_id             uuid        not null,
    secondary_entity_type text,
    secondary_entity_id   uuid,
    type                  text        not null,
    subject               text,
    description           text,
    status                text        not null default 'open',
    priority              text        not null default 'normal',
    assignee_id           uuid        references user_profiles (id) on delete set null,
    due_date              timestamptz,
    completed_at          timestamptz,
    metadata              jsonb       not null default '{}',
    created_by            uuid        references user_profiles (id) on delete set null,
    created_at            timestamptz not null default now(),
    updated_at            timestamptz not null default now()
);

create index idx_activities_entity on activities (entity_type, entity_id);

alter table activities enable row level security;
create policy authenticated_read on activities for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on activities to crm_relay, service_role using (true) with check (true);

grant select on activities to authenticated;
grant all on activities to crm_relay, service_role;


create table email_templates (
    id         uuid        primary key default gen_random_uuid(),
    org_id     uuid        not null default default_org_id() references organizations (id) on delete cascade,
    name       text        not null,
    slug       text,
    subject    text,
    body_html  text,
    body_text  text,
    variables  jsonb       not null default '[]',
    is_active  boolean     not null default true,
    created_by uuid        references user_profiles (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    topic      text
);

alter table email_templates enable row level security;
create policy authenticated_read on email_templates for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on email_templates to crm_relay, service_role using (true) with check (true);

grant select on email_templates to authenticated;
grant all on email_templates to crm_relay, service_role;


create table entity_history (
    id          uuid        primary key default gen_random_uuid(),
    org_id      uuid        not null default default_org_id() references organizations (id) on delete cascade,
    entity_type text        not null,
    entity_id   uuid        not null,
    change_type text        not null,
    field_name  text,
    old_value   jsonb,
    new_value   jsonb,
    changed_by  uuid        references user_profiles (id) on delete set null,
    changed_at  timestamptz not null default now(),
    metadata    jsonb       not null default '{}'
);

create index idx_entity_history_entity on entity_history (entity_type, entity_id, changed_at desc);

alter table entity_history enable row level security;
create policy authenticated_read on entity_history for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on entity_history to crm_relay, service_role using (true) with check (true);

grant select on entity_history to authenticated;
grant all on entity_history to crm_relay, service_role;


create table notifications (
    id                 uuid        primary key default gen_random_uuid(),
    org_id             uuid        not null default default_org_id() references organizations (id) on delete cascade,
    user_id            uuid        not null references user_profiles (id) on delete cascade,
    title              text        not null,
    message            text        not null,
    type               text        not null default 'info',
    category           text        not null,
    entity_type        text,
    entity_id          uuid,
    action_url         text,
    action_label       text,
    channels           jsonb       not null default '["in_app"]',
    priority           text        not null default 'normal',
    group_key          text,
    expires_at         timestamptz,
    delivery_status    jsonb       not null default '{}',
    read_at            timestamptz,
    archived_at        timestamptz,
    created_at         timestamptz not null default now(),
    template_slug      text,
    template_version   integer,
    event_key          text,
    group_count        integer,
    is_critical        boolean     not null default false,
    is_silent          boolean     not null default false,
    updated_at         timestamptz not null default now(),
    unless_read_within integer,
    withdrawn_for      text
);

comment on column notifications.updated_at is
    'When a shown field last changed, by the database''s clock. A client that was away asks for what is newer, with an overlap.';

create index idx_notifications_changed on notifications (user_id, updated_at);
create index idx_notifications_entity on notifications (entity_id) where entity_id is not null;
create unique index idx_notifications_open_group on notifications (user_id, group_key) where group_key is not null
    and group_count is not null and read_at is null and archived_at is null;
create index idx_notifications_unread on notifications (user_id) where read_at is null and archived_at is null;
create index idx_notifications_user on notifications (user_id, created_at desc);

alter table notifications enable row level security;
create policy authenticated_read on notifications for select to authenticated
    using (user_id = (select current_user_id()));
create policy own_marks on notifications for update to authenticated
    using (user_id = (select current_user_id()))
    with check (user_id = (select current_user_id()));
create policy service_role_all on notifications to crm_relay, service_role using (true) with check (true);

grant select on notifications to authenticated;
grant all on notifications to crm_relay, service_role;
grant update (archived_at, read_at) on notifications to authenticated;

alter publication supabase_realtime add table notifications;


create table workspaces (
    id                       uuid        primary key default gen_random_uuid(),
    org_id                   uuid        references organizations (id) on delete cascade,
    name                     text        not null unique,
    created_at               timestamptz not null default now(),
    timezone                 text        not null default 'UTC',
    bison_workspace_id       bigint,
    bison_instance_url       text,
    bison_silence_hours      integer     default 24,
    counts_automated_replies boolean     not null default false
);

comment on column workspaces.counts_automated_replies is
    'Whether a reply that EmailBison calls automated counts as a reply.';

alter table workspaces enable row level security;
create policy authenticated_read on workspaces for select to authenticated
    using (id = any ((select current_workspace_ids())::uuid[]));
create policy service_role_all on workspaces to crm_relay, service_role using (true) with check (true);

grant select on workspaces to authenticated;
grant all on workspaces to crm_relay, service_role;


create table workspace_members (
    workspace_id uuid not null references workspaces (id) on delete cascade,
    user_id      uuid not null references user_profiles (id) on delete cascade,
    role         text not null default 'member',
    primary key (workspace_id, user_id)
);

alter table workspace_members enable row level security;
create policy authenticated_read on workspace_members for select to authenticated
    using (user_id = (select current_user_id()));
create policy service_role_all on workspace_members to crm_relay, service_role using (true) with check (true);

grant select on workspace_members to authenticated;
grant all on workspace_members to crm_relay, service_role;


create table customer_profiles (
    id                  uuid        primary key default gen_random_uuid(),
    first_name          text,
    last_name           text,
    canonical_full_name text,
    date_of_birth       date,
    marketing_opt_in    boolean,
    do_not_contact      boolean     default false,
    lead_score          integer,
    rfm_recency         integer,
    rfm_frequency       integer,
    rfm_monetary        integer,
    last_scored_at      timestamptz,
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),
    org_id              uuid        default default_org_id(),
    opted_out_at        timestamptz
);

comment on column customer_profiles.opted_out_at is
    'Set with the ledger entry when this customer opted out; cleared only by a recorded consent.';

create index idx_customer_profiles_opted_out on customer_profiles (id) where opted_out_at is not null;

alter table customer_profiles enable row level security;
create policy authenticated_read on customer_profiles for select to authenticated
    using (org_id = (select current_org()));
create policy service_role_all on customer_profiles to crm_relay, service_role using (true) with check (true);

grant select on customer_profiles to authenticated;
grant all on customer_profiles to crm_relay, service_role;


create table customer_addresses (
    id          uuid    primary key default gen_random_uuid(),
    customer_id uuid    not null references customer_profiles (id) on delete cascade,
    line_1      text,
    line_2      text,
    suburb      text,
    city        text,
    state       text,
    postcode    text,
    country     text,
    is_primary  boolean not null default false
);

create index idx_customer_addresses_customer_id on customer_addresses (customer_id);

alter table customer_addresses enable row level security;
create policy authenticated_read on customer_addresses for select to authenticated
    using ((exists (select from customer_profiles owner where owner.id = customer_addresses.customer_id
        and owner.org_id = (select current_org()))));
create policy service_role_all on customer_addresses to crm_relay, service_role using (true) with check (true);

grant select on customer_addresses to authenticated;
grant all on customer_addresses to crm_relay, service_role;


create table customer_emails (
    id            uuid        primary key default gen_random_uuid(),
    customer_id   uuid        not null references customer_profiles (id) on delete cascade,
    email         text        not null,
    is_primary    boolean     not null default false,
    first_seen_at timestamptz not null default now(),
    is_valid      boolean     default true,
    bounce_count  integer     not null default 0
);

comment on column customer_emails.is_valid is
    'False after three bounces, or one that is known to be permanent: nothing is sent to this address any more.';

create index idx_customer_emails_address_begins on customer_emails (normalise_address(email) text_pattern_ops);
create index idx_customer_emails_customer_id on customer_emails (customer_id);
create index idx_customer_emails_is_valid on customer_emails (is_valid) where is_valid = false;
create index idx_customer_emails_normalised on customer_emails (normalise_address(email));

alter table customer_emails enable row level security;
create policy authenticated_read on customer_emails for select to authenticated
    using ((exists (select from customer_profiles owner where owner.id = customer_emails.customer_id
        and owner.org_id = (select current_org()))));
create policy service_role_all on customer_emails to crm_relay, service_role using (true) with check (true);

grant select on customer_emails to authenticated;
grant all on customer_emails to crm_relay, service_role;


create table customer_engagement_metrics (
    id                     uuid          primary key default gen_random_uuid(),
    customer_id            uuid          not null unique references customer_profiles (id) on delete cascade,
    lifetime_orders        integer,
    lifetime_net           numeric(14,2),
    first_seen_at          timestamptz,
    last_order_at          timestamptz,
    most_recent_event_id   text,
    most_recent_event_name text,
    preferred_venue        text
);

create index idx_customer_engagement_metrics_customer_id on customer_engagement_metrics (customer_id);
create index idx_customer_engagement_metrics_last_order on customer_engagement_metrics (last_order_at);

alter table customer_engagement_metrics enable row level security;
create policy authenticated_read on customer_engagement_metrics for select to authenticated
    using ((exists (select from customer_profiles owner where owner.id = customer_engagement_metrics.customer_id
        and owner.org_id = (select current_org()))));
create policy service_role_all on customer_engagement_metrics to crm_relay, service_role using (true) with check (true);

grant select on customer_engagement_metrics to authenticated;
grant all on customer_engagement_metrics to crm_relay, service_role;


create table customer_phones (
    id            uuid        primary key default gen_random_uuid(),
    customer_id   uuid        not null references customer_profiles (id) on delete cascade,
    phone_e164    text        not null,
    is_primary    boolean     not null default false,
    first_seen_at timestamptz not null default now()
);

create index idx_customer_phones_customer_id on customer_phones (customer_id);
create index idx_customer_phones_normalised on customer_phones (normalise_phone(phone_e164));

alter table customer_phones enable row level security;
create policy authenticated_read on customer_phones for select to authenticated
    using ((exists (select from customer_profiles owner where owner.id = customer_phones.customer_id
        and owner.org_id = (select current_org()))));
create policy service_role_all on customer_phones to crm_relay, service_role using (true) with check (true);

grant select on customer_phones to authenticated;
grant all on customer_phones to crm_relay, service_role;


create table segments (
    id   uuid primary key default gen_random_uuid(),
    slug text not null unique,
    name text not null
);

alter table segments enable row level security;
create policy authenticated_read on segments for select to authenticated
    using ((select current_org()) = (select default_org_id()));
create policy service_role_all on segments to crm_relay, service_role using (true) with check (true);

grant select on segments to authenticated;
grant all on segments to crm_relay, service_role;


create table customer_segment_links (
    customer_id uuid not null references customer_profiles (id) on delete cascade,
    segment_id  uuid not null references segments (id) on delete cascade,
    primary key (customer_id, segment_id)
);

create index idx_customer_segment_links_customer_segment on customer_segment_links (customer_id, segment_id);
create index idx_customer_segment_links_segment on customer_segment_links (segment_id);

alter table customer_segment_links enable row level security;
create policy authenticated_read on customer_segment_links for select to authenticated
    using ((exists (select from customer_profiles owner where owner.id = customer_segment_links.customer_id
        and owner.org_id = (select current_org()))));
create policy service_role_all on customer_segment_links to crm_relay, service_role using (true) with check (true);

grant select on customer_segment_links to authenticated;
grant all on customer_segment_links to crm_relay, service_role;


create table emails (
    id           uuid        primary key default gen_random_uuid(),
    prospect_id  uuid,
    campaign_id  uuid,
    subject      text,
    body         text,
    to_email     text,
    from_email   text,
    message_id   text,
    direction    text        not null default 'outbound',
    status       text,
    sent_at      timestamptz,
    opened_at    timestamptz,
    clicked_at   timestamptz,
    replied_at   timestamptz,
    bounced_at   timestamptz,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    org_id       uuid        default default_org_id(),
    sync_version bigint,
    edge_base    bigint,
    orphaned     boolean     not null default false,
    duplicate_of uuid
);

comment on column emails.edge_base is
    'Set while the row is as an edit from the edge made it: the version of the item that was edited.';
comment on column emails.orphaned is
    'The prospect does not exist, and none has the address: marked by the integrity check.';
comment on column emails.duplicate_of is 'The earliest e-mail with the same message_id: marked by the integrity check.';

create index idx_emails_bucket on emails (edge_bucket(id));
create index idx_emails_inbound_from on emails (normalise_address(from_email)) where direction = 'inbound';
create index idx_emails_message on emails (message_id);
create index idx_emails_prospect on emails (prospect_id);

alter table emails enable row level security;
create policy authenticated_read on emails for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on emails to crm_relay, service_role using (true) with check (true);

grant select on emails to authenticated;
grant all on emails to crm_relay, service_role;


create table mailboxes (
    id           uuid        primary key default gen_random_uuid(),
    email        text        not null,
    name         text,
    provider     text,
    status       text        not null default 'active',
    daily_limit  integer,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    org_id       uuid        default default_org_id(),
    sync_version bigint
);

create index idx_mailboxes_updated on mailboxes (updated_at, id);

alter table mailboxes enable row level security;
create policy authenticated_read on mailboxes for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on mailboxes to crm_relay, service_role using (true) with check (true);

grant select on mailboxes to authenticated;
grant all on mailboxes to crm_relay, service_role;


create table prospects (
    id            uuid        primary key default gen_random_uuid(),
    name          text        not null,
    city          text,
    country       text,
    contact_name  text,
    contact_email text,
    contact_title text,
    phone         text,
    website       text,
    linkedin_url  text,
    stage         text,
    tier          text,
    score         numeric,
    lead_source   text,
    email_bounced boolean     not null default false,
    archived      boolean     not null default false,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    org_id        uuid        default default_org_id(),
    sync_version  bigint
);

create index idx_prospects_bucket on prospects (edge_bucket(id));
create index idx_prospects_normalised on prospects (normalise_address(contact_email));
create index idx_prospects_updated on prospects (updated_at, id);

alter table prospects enable row level security;
create policy authenticated_read on prospects for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on prospects to crm_relay, service_role using (true) with check (true);

grant select on prospects to authenticated;
grant all on prospects to crm_relay, service_role;


create table workspace_names (
    name         text        primary key,
    workspace_id uuid        not null,
    since        timestamptz not null default clock_timestamp()
);

comment on table workspace_names is
    'Every name that a workspace has or had; a line is never given to another workspace.';

create index idx_workspace_names_workspace on workspace_names (workspace_id);

alter table workspace_names enable row level security;
create policy authenticated_read on workspace_names for select to authenticated
    using (workspace_id = any ((select current_workspace_ids())::uuid[]));
create policy service_role_all on workspace_names to crm_relay, service_role using (true) with check (true);

grant select on workspace_names to authenticated;
grant all on workspace_names to crm_relay, service_role;
