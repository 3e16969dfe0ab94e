-- name: count_crm
-- What erase_crm would change: people of the CRM with one of these addresses, and what was written to, by and about them.
with people as materialized (
    select person_id as id, kind from person_addresses where address = any (:addresses::text[]) and kind <> 'customer'
),
concerned as materialized (
    select id from people
    union
    select unnest(:customer_ids::uuid[])
)
select
    (select count(*) from people where kind = 'contact')::integer as contacts,
    (select count(*) from people where kind = 'prospect')::integer as prospects,
    (
        select count(*) from activities
        where entity_id in (select id from concerned) or secondary_entity_id in (select id from concerned)
    )::integer as activities,
    (select count(*) from entity_history where entity_id in (select id from concerned))::integer as entity_history,
    (select count(*) from notifications where entity_id in (select id from concerned))::integer as notifications,
    (
        select count(*) from emails
        where normalise_address(to_email) = any (:addresses::text[])
            or normalise_address(from_email) = any (:addresses::text[])
            or prospect_id in (select id from people)
    )::integer as emails,
    (select count(*) from inbox_items where normalise_address(from_address) = any (:addresses::text[]))::integer as inbox_items;

-- name: crm_phones
-- Numbers that the CRM has of the person, which may stand elsewhere too.
select phone from contacts where normalise_address(email) = any (:addresses::text[]) and phone is not null
union
select phone from prospects where normalise_address(contact_email) = any (:addresses::text[]) and phone is not null;

-- name: erase_crm
-- Rows that deals and figures refer to stay, without the person; one statement, since it takes away what it finds them by.
with people as materialized (
    select person_id as id, kind from person_addresses where address = any (:addresses::text[]) and kind <> 'customer'
),
concerned as materialized (
    select id from people
    union
    select unnest(:customer_ids::uuid[])
),
contact as (
    update contacts
    set
        email = null, phone = null, first_name = null, last_name = null, title = null, linkedin_url = null,
        deleted_at = coalesce(deleted_at, now()), updated_at = now()
    where id in (select id from people where kind = 'contact')
    returning 1
),
prospect as (
    -- The name is the company's, but for somebody who is a company.
    update prospects
    set
        name = case when lower(btrim(name)) = lower(btrim(contact_name)) then 'erased' else name end,
        contact_name = null, contact_email = null, contact_title = null, phone = null, linkedin_url = null,
        archived = true, updated_at = now()
    where id in (select id from people where kind = 'prospect')
    returning 1
),
activity as (
    update activities
    set subject = null, description = null, metadata = '{}', updated_at = now()
    where entity_id in (select id from concerned) or secondary_entity_id in (select id from concerned)
    returning 1
),
history as (
    update entity_history
    set old_value = null, new_value = null, metadata = '{}'
    where entity_id in (select id from concerned)
    returning 1
),
notification as (
    delete from notifications where entity_id in (select id from concerned) returning 1
),
mail as (
    -- Whom a campaign has reached stays countable.
    update emails
    set
        subject = null, body = null, updated_at = now(),
        to_email = case when normalise_address(to_email) = any (:addresses::text[]) or direction = 'outbound' then null else to_email end,
        from_email = case when normalise_address(from_email) = any (:addresses::text[]) or direction <> 'outbound' then null else from_email end
    where normalise_address(to_email) = any (:addresses::text[])
        or normalise_address(from_email) = any (:addresses::text[])
        or prospect_id in (select id from people)
    returning 1
),
reply as (
    -- Its id at the source stays: the same reply, fetched once more, is not stored again.
    update inbox_items
    set from_address = null, subject = null, updated_at = now()
    where normalise_address(from_address) = any (:addresses::text[])
    returning 1
)
select
    (select count(*) from contact)::integer as contacts,
    (select count(*) from prospect)::integer as prospects,
    (select count(*) from activity)::integer as activities,
    (select count(*) from history)::integer as entity_history,
    (select count(*) from notification)::integer as notifications,
    (select count(*) from mail)::integer as emails,
    (select count(*) from reply)::integer as inbox_items;

-- name: tables_to_search
-- Every table with text in it, the installation's own as well; what is too large for one look is only named.
select table_name as name, pg_total_relation_size(format('%I', table_name)::regclass) > :too_large as is_too_large
from information_schema.tables
where table_schema = 'public' and table_type = 'BASE TABLE'
order by table_name;

-- name: mentions
-- How many rows of one table speak of the person in any column.
select count_mentions(:relation, :needles::text[], :pattern)::integer as rows;

-- name: keep_receipt
-- Committed with the last of the erasure, or not at all.
insert into erasure_receipts (subject, receipt, at) values (:subject::text[], :receipt, :at) returning id;

-- name: complete_receipt
-- What a last look at all tables found afterwards.
update erasure_receipts set receipt = :receipt where id = :id;

-- name: erasures_of
-- Every erasure that left a hash of one of these marks, and whether one of them still keeps the person away.
select asked.is_erased, receipt.id, receipt.at, receipt.receipt
from (
    select coalesce(bool_or(is_erased(null, :channel, mark)), false) as is_erased from unnest(:marks::text[]) as mark
) asked
left join erasure_receipts receipt on receipt.subject && array(
    select erased_key(mark, (select value from installation_settings where key = 'erasure_salt'))
    from unnest(:marks::text[]) as mark
)
order by receipt.id;

-- name: create_token
-- A name is used once, also by a token that was revoked.
insert into api_tokens (name, sha256, role, expires_at, created_by, created_at)
values (:name, :sha256, :role, :expires_at, :created_by, :now)
on conflict do nothing
returning name;

-- name: usable_tokens
-- All that a caller's token is compared with.
select name, sha256, role, last_used_at
from api_tokens
where revoked_at is null and (expires_at is null or expires_at > cast(:now as timestamptz));

-- name: note_token_use
-- For whoever asks which tokens are still needed.
update api_tokens set last_used_at = :now where name = :name;

-- name: tokens
-- Everything but the hash, the newest first.
select name, role, created_at, created_by, expires_at, last_used_at, revoked_at from api_tokens order by created_at desc, name;

-- name: revoke_token
-- The first time counts, however often it is asked for.
update api_tokens
set revoked_at = coalesce(revoked_at, :now)
where name = :name
returning name, role, created_at, created_by, expires_at, last_used_at, revoked_at;

-- name: alive
-- Whether the database answers at all.
select true as alive;

-- name: latest_resyncs
-- The latest of each entity, running or not, with how far it is.
select
    entity, phase, coalesce(total, 0) as total, written, swept, next_bucket, ordered_by, started_at, updated_at, finished_at, error
from (
    select resync.*, row_number() over (partition by entity order by id desc) as place from edge_resyncs resync
) latest
where place = 1
order by entity;

-- name: entity_sizes
-- Counted where a sync has counted, else what the planner believes: a count over a million rows takes longer than all else.
select
    entity.entity,
    case when entity.counted_at is not null then entity.known_rows else nullif(relation.reltuples, -1)::bigint end as rows,
    entity.counted_at is null as is_estimate,
    entity.blocked_at
from edge_entities entity
left join pg_class relation on relation.oid = to_regclass('public.' || quote_ident(entity.entity))
order by entity.entity;

-- name: mautic_state
-- The latest run of the Mautic sync, and what waits for the next one; more than a thousand are not counted further.
select
    run.run_started_at as last_started_at, run.run_finished_at as last_finished_at,
    coalesce(run.contacts_synced, 0) as last_synced, coalesce(run.contacts_failed, 0) as last_failed,
    (
        select count(*) from (
            (select from mautic_dirty limit 1001)
            union all
            (select from mautic_dirty_bulk cross join lateral unnest(customer_ids) limit 1001)
        ) waiting
    )::integer as pending,
    (select count(*) from (select from mautic_sync_status where next_attempt_at is not null limit 1001) failing)::integer as to_repeat
from (select 1) one
left join lateral (select * from mautic_sync_logs order by run_started_at desc limit 1) run on true;

-- name: mautic_runs
-- The latest runs of the Mautic sync, newest first, without the reasons: those name customers.
select
    run_started_at as started_at, run_finished_at as finished_at, coalesce(contacts_synced, 0) as synced,
    coalesce(contacts_created, 0) as created, coalesce(contacts_updated, 0) as updated,
    coalesce(contacts_failed, 0) as failed, coalesce(segments_synced, 0) as segments
from mautic_sync_logs
order by run_started_at desc
limit :at_most;

-- name: workspaces
-- One row a workspace: is its webhook well, what was counted this month in its own zone, how are its sender accounts.
select
    workspace.name, workspace.timezone, health.last_webhook_at, coalesce(health.webhook_count_24h, 0) as deliveries_24h,
    health.success_rate_24h::float8 as success_rate_24h, coalesce(health.is_healthy, false) as is_healthy,
    coalesce(health.is_silent, false) as is_silent, health.workspace_name is not null as has_webhook,
    coalesce(rejection.in_a_row, 0) as rejected_in_a_row, metrics.month,
    coalesce(metrics.emails_sent_mtd, 0) as emails_sent, coalesce(metrics.replies_mtd, 0) as replies,
    coalesce(metrics.positive_replies_mtd, 0) as interested, coalesce(metrics.bounced_mtd, 0) as bounced,
    coalesce(metrics.unsubscribed_mtd, 0) as unsubscribed,
    coalesce(senders.total_accounts, 0) as accounts, coalesce(senders.connected_accounts, 0) as connected_accounts
from workspaces workspace
left join webhook_health health on health.workspace_name = workspace.name
left join webhook_rejections rejection on rejection.source = 'bison' and rejection.claimed = workspace.name
left join client_metrics metrics
    on metrics.workspace_name = workspace.name
    and metrics.month = date_trunc('month', cast(:now as timestamptz) at time zone workspace.timezone)::date
left join get_account_status_stats() senders on senders.workspace_name = workspace.name
order by workspace.name
limit :at_most;

-- name: provider_days
-- What each mail provider sent and got back, day by day over all workspaces; the accounts are those of the day's snapshot.
select
    history.snapshot_date as day, history.email_provider as provider, sum(history.sent_since)::bigint as sent,
    sum(history.replies_since)::bigint as replies, sum(history.total_accounts)::integer as accounts,
    sum(history.connected_accounts)::integer as connected_accounts
from provider_performance_history history
where history.snapshot_date > cast(:since as date)
group by 1, 2
order by 1, 2;

-- name: incidents
-- What is wrong now, and what was lately; the open ones first.
select
    id, kind, subject, workspace_name, title, opened_at, closed_at, told_open_at is not null as is_told
from (
    (select * from incidents where closed_at is null order by id desc limit :at_most)
    union all
    (select * from incidents where closed_at is not null order by id desc limit :at_most)
) latest
order by closed_at is not null, id desc
limit :at_most;

-- name: failed_tasks
-- Messages that were given up and wait for a person, without their content.
select id, source, failed_at, error, replayed_at
from failed_tasks
where replayed_at is null
order by id desc
limit :at_most;

-- name: waiting_deliveries
-- Deliveries without effect and messages that were given up; more than a thousand are not counted further.
select
    (select count(*) from (select from webhook_inbox where applied_at is null limit 1001) open)::integer as deliveries,
    (select count(*) from (select from failed_tasks where replayed_at is null limit 1001) open)::integer as failed_tasks;

-- name: fix_versions
-- One automatic change with what was there before and after: personal data, so it is asked for by itself.
select
    id, check_name, entity, row_id, action, before::text as before, after::text as after, fixed_at, fixed_by, reverted_at, reverted_by
from integrity_fixes
where id = :id;
