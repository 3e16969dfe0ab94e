-- What EmailBison tells of every workspace: deliveries, counters by month, leads, sender accounts and how providers do.
set local lock_timeout = '5s';
select remember_tables();

-- Null: nobody is told of silence, as for a workspace that only sends now and then.
alter table workspaces add column if not exists bison_silence_hours integer default 24;

-- One row an attempt, in the document's shape. What was counted for the first time carries the event's identity, the counter
-- that it moved and by how much: every counter is the sum of its rows here, and can be made anew from them.
create table if not exists webhook_delivery_log (
    id bigint generated always as identity primary key,
    event_type text not null,
    workspace_name text,
    success boolean not null,
    error_message text,
    processing_time_ms integer,
    created_at timestamptz not null default now()
);
alter table webhook_delivery_log add column if not exists inbox_id bigint;
alter table webhook_delivery_log add column if not exists origin text not null default 'webhook';
alter table webhook_delivery_log add column if not exists event_key text;
alter table webhook_delivery_log add column if not exists is_first boolean not null default false;
alter table webhook_delivery_log add column if not exists metric text;
alter table webhook_delivery_log add column if not exists amount integer not null default 0;
alter table webhook_delivery_log add column if not exists occurred_at timestamptz;
alter table webhook_delivery_log add column if not exists sender_email_id bigint;
alter table webhook_delivery_log add column if not exists lead_id bigint;

create index if not exists idx_webhook_log_created on webhook_delivery_log (created_at desc);
create index if not exists idx_webhook_log_workspace on webhook_delivery_log (workspace_name, created_at desc);
create index if not exists idx_webhook_log_event on webhook_delivery_log (event_type, created_at desc);
create index if not exists idx_webhook_log_failed on webhook_delivery_log (created_at desc) where not success;
create index if not exists idx_webhook_log_slow on webhook_delivery_log (processing_time_ms desc) where processing_time_ms >= 100;
-- An event counts once in its workspace, in whatever company and bytes it comes again.
create unique index if not exists idx_webhook_log_once on webhook_delivery_log (workspace_name, event_key) where is_first;
create index if not exists idx_webhook_log_counted on webhook_delivery_log (workspace_name, occurred_at) where amount <> 0;
create index if not exists idx_webhook_log_lead on webhook_delivery_log (workspace_name, lead_id) where lead_id is not null;
create index if not exists idx_webhook_log_filled on webhook_delivery_log (workspace_name, sender_email_id, metric)
    where origin = 'polled' and amount <> 0;

-- Attempts in slots of five minutes: a day of them is a few rows a workspace, however many deliveries there were.
create table if not exists webhook_delivery_slots (
    workspace_name text not null,
    slot timestamptz not null,
    deliveries integer not null default 0,
    successes integer not null default 0,
    last_at timestamptz not null,
    primary key (workspace_name, slot)
) with (fillfactor = 50);
create index if not exists idx_webhook_slots_slot on webhook_delivery_slots (slot);

-- Calls in a row whose token was not ours, by the workspace that they say they come from.
create table if not exists webhook_rejections (
    source text not null,
    claimed text not null,
    in_a_row integer not null default 0,
    last_at timestamptz not null,
    primary key (source, claimed)
) with (fillfactor = 50);

create table if not exists client_metrics (
    id uuid primary key default gen_random_uuid(),
    workspace_name text not null,
    metric_type text not null default 'mtd',
    emails_sent_mtd integer default 0,
    positive_replies_mtd integer default 0,
    replies_mtd integer default 0,
    bounced_mtd integer default 0,
    unsubscribed_mtd integer default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
) with (fillfactor = 50);
alter table client_metrics add column if not exists month date;
update client_metrics set month = date_trunc('month', now())::date where month is null and metric_type = 'mtd';
create unique index if not exists idx_client_metrics_month on client_metrics (workspace_name, month);

-- Four times of the newest event of each kind; the status follows from them, so the order of deliveries does not matter.
-- Who unsubscribed stays so; a bounce counts while nothing came from the person since.
create table if not exists client_leads (
    id uuid primary key default gen_random_uuid(),
    workspace_name text not null,
    lead_id bigint not null,
    lead_email text,
    first_name text,
    last_name text,
    company text,
    title text,
    date_received timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
alter table client_leads add column if not exists interested_at timestamptz;
alter table client_leads add column if not exists replied_at timestamptz;
alter table client_leads add column if not exists bounced_at timestamptz;
alter table client_leads add column if not exists unsubscribed_at timestamptz;
alter table client_leads add column if not exists campaign_id bigint;
alter table client_leads add column if not exists campaign_name text;
alter table client_leads add column if not exists sender_email_id bigint;
alter table client_leads add column if not exists told_at timestamptz;
alter table client_leads add column if not exists told_by text;
alter table client_leads add column if not exists lead_status text generated always as (
    case
        when unsubscribed_at is not null then 'unsubscribed'
        when bounced_at > coalesce(greatest(interested_at, replied_at), '-infinity') then 'bounced'
        when interested_at is not null then 'interested'
        when replied_at is not null then 'replied'
    end
) stored;
create unique index if not exists idx_client_leads_lead on client_leads (workspace_name, lead_id);
create index if not exists idx_client_leads_email on client_leads (normalise_address(lead_email));
create index if not exists idx_client_leads_received on client_leads (workspace_name, date_received desc);

create table if not exists sender_emails_cache (
    id uuid primary key default gen_random_uuid(),
    workspace_name text not null,
    email_address text not null,
    name text,
    status text not null default 'Connected',
    account_type text,
    email_provider text,
    reseller text,
    daily_limit integer,
    emails_sent_count bigint not null default 0,
    total_replied_count bigint not null default 0,
    unique_replied_count bigint not null default 0,
    bounced_count bigint not null default 0,
    unsubscribed_count bigint not null default 0,
    interested_leads_count bigint not null default 0,
    total_leads_contacted_count bigint not null default 0,
    reply_rate_percentage numeric(9, 2) generated always as (
        case when emails_sent_count > 0 then round(100.0 * total_replied_count / emails_sent_count, 2) else 0 end
    ) stored,
    last_synced_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
) with (fillfactor = 70);
alter table sender_emails_cache add column if not exists bison_instance text not null default '';
alter table sender_emails_cache add column if not exists sender_email_id bigint;
alter table sender_emails_cache add column if not exists warmup_enabled boolean;
alter table sender_emails_cache add column if not exists tags jsonb not null default '[]';
alter table sender_emails_cache add column if not exists status_at timestamptz;
alter table sender_emails_cache add column if not exists recheck_since timestamptz;
alter table sender_emails_cache add column if not exists removed_at timestamptz;
alter table sender_emails_cache add column if not exists seen_in timestamptz;
-- What the reconciliation and the daily report last took into account, and when that was read.
alter table sender_emails_cache add column if not exists settled jsonb;
alter table sender_emails_cache add column if not exists settled_at timestamptz;
alter table sender_emails_cache add column if not exists settling jsonb;
alter table sender_emails_cache add column if not exists settling_at timestamptz;
alter table sender_emails_cache add column if not exists reported jsonb;

-- The number belongs to the instance: an account that is moved to another workspace stays one row.
create unique index if not exists idx_sender_emails_account on sender_emails_cache (bison_instance, sender_email_id);
create index if not exists idx_sender_emails_workspace on sender_emails_cache (workspace_name, status);
create index if not exists idx_sender_emails_status on sender_emails_cache (status) where removed_at is null;
create index if not exists idx_sender_emails_provider on sender_emails_cache (email_provider);
create index if not exists idx_sender_emails_reseller on sender_emails_cache (reseller);
create index if not exists idx_sender_emails_reply_rate on sender_emails_cache (reply_rate_percentage desc);
create index if not exists idx_sender_emails_address on sender_emails_cache (normalise_address(email_address));
create index if not exists idx_sender_emails_workspace_provider on sender_emails_cache (workspace_name, email_provider);
-- None on last_synced_at: every account is written every five minutes, and an index on it would double that work.
create index if not exists idx_sender_emails_recheck on sender_emails_cache (recheck_since) where recheck_since is not null;

-- Where the reading of a workspace's accounts stands, so that a run that was cut off is continued.
create table if not exists bison_polls (
    workspace_name text primary key,
    cycle timestamptz,
    next_page integer not null default 1,
    pass integer not null default 1,
    total integer,
    is_steady boolean not null default true,
    completed_at timestamptz,
    accounts integer,
    hooks_checked_at timestamptz,
    error text
);

create table if not exists provider_performance_history (
    id uuid primary key default gen_random_uuid(),
    snapshot_date date not null,
    workspace_name text not null,
    email_provider text not null,
    total_accounts integer not null default 0,
    connected_accounts integer not null default 0,
    total_sent bigint not null default 0,
    total_replies bigint not null default 0,
    reply_rate_percentage numeric(9, 2) not null default 0,
    created_at timestamptz not null default now()
);
alter table provider_performance_history add column if not exists sent_since bigint not null default 0;
alter table provider_performance_history add column if not exists replies_since bigint not null default 0;
create unique index if not exists idx_provider_history_day
    on provider_performance_history (workspace_name, email_provider, snapshot_date);
create index if not exists idx_provider_history_date on provider_performance_history (snapshot_date desc);

select secure_new_table(relation::regclass, 'workspace_name = any ((select current_workspace_names())::text[])')
from unnest(array[
    'webhook_delivery_log', 'client_metrics', 'client_leads', 'sender_emails_cache', 'provider_performance_history'
]) as relation;
select secure_table('webhook_delivery_slots', 'workspace_name = any ((select current_workspace_names())::text[])');
select secure_table('webhook_rejections');
select secure_table('bison_polls', 'workspace_name = any ((select current_workspace_names())::text[])');

-- Silence is not health: a workspace that nothing comes from is healthy in no reading of the word.
create or replace view webhook_health with (security_invoker = true) as
select
    workspace.name as workspace_name,
    latest.last_at as last_webhook_at,
    coalesce(day.deliveries, 0)::integer as webhook_count_24h,
    case when day.deliveries > 0 then round(100.0 * day.successes / day.deliveries, 2) end as success_rate_24h,
    coalesce(100.0 * day.successes / nullif(day.deliveries, 0) >= 95, false) as is_healthy,
    workspace.bison_silence_hours is not null
        and coalesce(latest.last_at, '-infinity') < now() - make_interval(hours => workspace.bison_silence_hours) as is_silent
from workspaces workspace
left join (
    select workspace_name, sum(deliveries) as deliveries, sum(successes) as successes
    from webhook_delivery_slots
    where slot > now() - interval '24 hours'
    group by workspace_name
) day on day.workspace_name = workspace.name
left join lateral (
    select last_at from webhook_delivery_slots where workspace_name = workspace.name order by slot desc limit 1
) latest on true
where latest.last_at is not null or workspace.bison_workspace_id is not null;
revoke all on webhook_health from public, anon, authenticated;
grant select on webhook_health to authenticated, service_role, crm_relay;

-- Everybody who has an address, leads included.
create or replace view person_addresses with (security_invoker = true) as
select normalise_address(mail.email) as address, 'customer' as kind, profile.id as person_id, profile.org_id
from customer_emails mail
join customer_profiles profile on profile.id = mail.customer_id
where normalise_address(mail.email) is not null
union all
select normalise_address(email), 'contact', id, org_id
from contacts
where normalise_address(email) is not null
union all
select normalise_address(contact_email), 'prospect', id, org_id
from prospects
where normalise_address(contact_email) is not null
union all
select normalise_address(lead.lead_email), 'lead', lead.id, coalesce(workspace.org_id, default_org_id())
from client_leads lead
left join workspaces workspace on workspace.name = lead.workspace_name
where normalise_address(lead.lead_email) is not null;

-- Supabase Realtime publishes what is in this publication, through the policies above.
do $$
declare
    relation text;
begin
    if not exists (select from pg_publication where pubname = 'supabase_realtime') then
        create publication supabase_realtime;
    end if;
    foreach relation in array array['client_metrics', 'sender_emails_cache'] loop
        if not exists (select from pg_publication_tables where pubname = 'supabase_realtime' and tablename = relation) then
            execute format('alter publication supabase_realtime add table %I', relation);
        end if;
    end loop;
exception
    when insufficient_privilege then
        raise notice 'add client_metrics and sender_emails_cache to the publication supabase_realtime by hand';
end
$$;

comment on table webhook_delivery_log is 'Every delivery of EmailBison, one row an attempt; counters are sums of amount.';
comment on column webhook_delivery_log.origin is
    'webhook; deferred (came while the database was away); replay; polled (never came, found by comparing totals); manual.';
comment on column webhook_delivery_log.processing_time_ms is
    'From the arrival at the function until this row was written, within the transaction that applies the delivery.';
comment on view webhook_health is 'The last 24 hours of each workspace that EmailBison reports on; slots are 5 minutes.';
comment on column client_metrics.metric_type is 'mtd: the current month in the workspace''s zone; month: one that is over.';
comment on column client_metrics.positive_replies_mtd is 'Interested leads: the document calls it interested_mtd as well.';
comment on column sender_emails_cache.recheck_since is 'Set by a webhook that said disconnected: looked at again before anybody is told.';
comment on column provider_performance_history.sent_since is
    'E-mails since the snapshot before, account by account, so that one which leaves takes nothing away.';
