-- Tables of outreach. Written by `make schema`: change it by a migration.


create table bison_polls (
    workspace_name   text        primary key,
    cycle            timestamptz,
    next_page        integer     not null default 1,
    pass             integer     not null default 1,
    total            integer,
    is_steady        boolean     not null default true,
    completed_at     timestamptz,
    accounts         integer,
    hooks_checked_at timestamptz,
    error            text
);

alter table bison_polls enable row level security;
create policy authenticated_read on bison_polls for select to authenticated
    using (workspace_name = any ((select current_workspace_names())::text[]));
create policy service_role_all on bison_polls to crm_relay, service_role using (true) with check (true);

grant select on bison_polls to authenticated;
grant all on bison_polls to crm_relay, service_role;


create table client_leads (
    id              uuid        primary key default gen_random_uuid(),
    workspace_name  text        not null,
    lead_id         bigint      not null,
    lead_email      text,
    first_name      text,
    last_name       text,
    company         text,
    title           text,
    date_received   timestamptz,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    interested_at   timestamptz,
    replied_at      timestamptz,
    bounced_at      timestamptz,
    unsubscribed_at timestamptz,
    campaign_id     bigint,
    campaign_name   text,
    sender_email_id bigint,
    told_at         timestamptz,
    told_by         text,
    lead_status     text
        generated always as (
            case
                when unsubscribed_at is not null then 'unsubscribed'
                when bounced_at > coalesce(greatest(interested_at, replied_at), '-infinity'::timestamptz) then 'bounced'
                when interested_at is not null then 'interested'
                when replied_at is not null then 'replied'
                else null::text
            end
        ) stored
);

create index idx_client_leads_email on client_leads (normalise_address(lead_email));
create unique index idx_client_leads_lead on client_leads (workspace_name, lead_id);
create index idx_client_leads_received on client_leads (workspace_name, date_received desc);

alter table client_leads enable row level security;
create policy authenticated_read on client_leads for select to authenticated
    using (workspace_name = any ((select current_workspace_names())::text[]));
create policy service_role_all on client_leads to crm_relay, service_role using (true) with check (true);

grant select on client_leads to authenticated;
grant all on client_leads to crm_relay, service_role;


create table client_metrics (
    id                   uuid        primary key default gen_random_uuid(),
    workspace_name       text        not null,
    metric_type          text        not null default 'mtd',
    emails_sent_mtd      integer     default 0,
    positive_replies_mtd integer     default 0,
    replies_mtd          integer     default 0,
    bounced_mtd          integer     default 0,
    unsubscribed_mtd     integer     default 0,
    created_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now(),
    month                date
) with (fillfactor = 50);

comment on column client_metrics.metric_type is
    'mtd: the current month in the workspace''s zone; month: one that is over.';
comment on column client_metrics.positive_replies_mtd is
    'Interested leads: the document calls it interested_mtd as well.';

create unique index idx_client_metrics_month on client_metrics (workspace_name, month);

alter table client_metrics enable row level security;
create policy authenticated_read on client_metrics for select to authenticated
    using (workspace_name = any ((select current_workspace_names())::text[]));
create policy service_role_all on client_metrics to crm_relay, service_role using (true) with check (true);

grant select on client_metrics to authenticated;
grant all on client_metrics to crm_relay, service_role;

alter publication supabase_realtime add table client_metrics;


create table outreach_event_keys (
    workspace_key text    not null,
    event_key     text    not null,
    is_alone      boolean not null default false,
    primary key (workspace_key, event_key)
);

comment on table outreach_event_keys is 'Every id by which an event may come again.';

alter table outreach_event_keys enable row level security;
create policy service_role_all on outreach_event_keys to crm_relay, service_role using (true) with check (true);

grant all on outreach_event_keys to crm_relay, service_role;


create table provider_performance_history (
    id                    uuid         primary key default gen_random_uuid(),
    snapshot_date         date         not null,
    workspace_name        text         not null,
    email_provider        text         not null,
    total_accounts        integer      not null default 0,
    connected_accounts    integer      not null default 0,
    total_sent            bigint       not null default 0,
    total_replies         bigint       not null default 0,
    reply_rate_percentage numeric(9,2) not null default 0,
    created_at            timestamptz  not null default now(),
    sent_since            bigint       not null default 0,
    replies_since         bigint       not null default 0
);

comment on column provider_performance_history.sent_since is
    'E-mails since the snapshot before, account by account, so that one which leaves takes nothing away.';

create index idx_provider_history_date on provider_performance_history (snapshot_date desc);
create unique index idx_provider_history_day on provider_performance_history
    (workspace_name, email_provider, snapshot_date);

alter table provider_performance_history enable row level security;
create policy authenticated_read on provider_performance_history for select to authenticated
    using (workspace_name = any ((select current_workspace_names())::text[]));
create policy service_role_all on provider_performance_history to crm_relay, service_role
    using (true)
    with check (true);

grant select on provider_performance_history to authenticated;
grant all on provider_performance_history to crm_relay, service_role;


create table sender_emails_cache (
    id                          uuid         primary key default gen_random_uuid(),
    workspace_name              text         not null,
    email_address               text         not null,
    name                        text,
    status                      text         not null default 'Connected',
    account_type                text,
    email_provider              text,
    reseller                    text,
    daily_limit                 integer,
    emails_sent_count           bigint       not null default 0,
    total_replied_count         bigint       not null default 0,
    unique_replied_count        bigint       not null default 0,
    bounced_count               bigint       not null default 0,
    unsubscribed_count          bigint       not null default 0,
    interested_leads_count      bigint       not null default 0,
    total_leads_contacted_count bigint       not null default 0,
    reply_rate_percentage       numeric(9,2)
        generated always as (
            case
                when emails_sent_count > 0 then
                    round(100.0 * total_replied_count::numeric / emails_sent_count::numeric, 2)
                else 0::numeric
            end
        ) stored,
    last_synced_at              timestamptz,
    created_at                  timestamptz  not null default now(),
    updated_at                  timestamptz  not null default now(),
    bison_instance              text         not null default '',
    sender_email_id             bigint,
    warmup_enabled              boolean,
    tags                        jsonb        not null default '[]',
    status_at                   timestamptz,
    recheck_since               timestamptz,
    removed_at                  timestamptz,
    seen_in                     timestamptz,
    settled                     jsonb,
    settled_at                  timestamptz,
    settling                    jsonb,
    settling_at                 timestamptz,
    reported                    jsonb
) with (fillfactor = 70);

comment on column sender_emails_cache.recheck_since is
    'Set by a webhook that said disconnected: looked at again before anybody is told.';

create unique index idx_sender_emails_account on sender_emails_cache (bison_instance, sender_email_id);
create index idx_sender_emails_address on sender_emails_cache (normalise_address(email_address));
create index idx_sender_emails_provider on sender_emails_cache (email_provider);
create index idx_sender_emails_recheck on sender_emails_cache (recheck_since) where recheck_since is not null;
create index idx_sender_emails_reply_rate on sender_emails_cache (reply_rate_percentage desc);
create index idx_sender_emails_reseller on sender_emails_cache (reseller);
create index idx_sender_emails_status on sender_emails_cache (status) where removed_at is null;
create index idx_sender_emails_workspace on sender_emails_cache (workspace_name, status);
create index idx_sender_emails_workspace_provider on sender_emails_cache (workspace_name, email_provider);

alter table sender_emails_cache enable row level security;
create policy authenticated_read on sender_emails_cache for select to authenticated
    using (workspace_name = any ((select current_workspace_names())::text[]));
create policy service_role_all on sender_emails_cache to crm_relay, service_role using (true) with check (true);

grant select on sender_emails_cache to authenticated;
grant all on sender_emails_cache to crm_relay, service_role;

alter publication supabase_realtime add table sender_emails_cache;
