-- name: find_connections
-- The connections of one kind in a workspace, by label; those that were disconnected only if nothing else is.
select
    connection.id, connection.workspace_id, workspace.org_id, workspace.name as workspace_name, connection.integration_type,
    connection.label, connection.account_label, connection.settings, coalesce(connection.status, 'active') as status,
    coalesce(connection.sync_enabled, true) as enabled, connection.error_message,
    coalesce(connection.error_count, 0) as error_count, connection.last_sync_at, connection.sync_frequency_minutes,
    connection.created_at, connection.updated_at, connection.held_for, connection.confirmed_at, connection.probes,
    coalesce(connection.shrink_allowed_at > clock_timestamp() - interval '1 day', false) as may_shrink,
    coalesce(connection.credentials, '{}'::jsonb) <> '{}'::jsonb as has_plaintext
from integration_connections connection
join workspaces workspace on workspace.id = connection.workspace_id
where connection.workspace_id = :workspace and connection.integration_type = :integration
    and (cast(:label as text) is null or connection.label = :label)
order by (connection.status = 'disconnected'), connection.label nulls first, connection.created_at, connection.id;

-- name: find_connection
-- One connection by its id.
select
    connection.id, connection.workspace_id, workspace.org_id, workspace.name as workspace_name, connection.integration_type,
    connection.label, connection.account_label, connection.settings, coalesce(connection.status, 'active') as status,
    coalesce(connection.sync_enabled, true) as enabled, connection.error_message,
    coalesce(connection.error_count, 0) as error_count, connection.last_sync_at, connection.sync_frequency_minutes,
    connection.created_at, connection.updated_at, connection.held_for, connection.confirmed_at, connection.probes,
    coalesce(connection.shrink_allowed_at > clock_timestamp() - interval '1 day', false) as may_shrink,
    coalesce(connection.credentials, '{}'::jsonb) <> '{}'::jsonb as has_plaintext
from integration_connections connection
join workspaces workspace on workspace.id = connection.workspace_id
where connection.id = :connection;

-- name: add_connection
-- A new one, which waits for somebody to look at what its first sync would do.
insert into integration_connections (
    id, workspace_id, integration_type, label, account_label, settings, status, sync_enabled, sync_frequency_minutes,
    created_at, updated_at, next_sync_at
)
values (
    :id, :workspace, :integration, :label, :account_label, :settings, 'active', true, :frequency, :now, :now, :now
)
returning id;

-- name: save_settings
-- Settings and how often; the document's `save_config`.
update integration_connections
set settings = :settings, sync_frequency_minutes = :frequency, label = :label, updated_at = :now
where id = :connection
returning id;

-- name: lock_connection
-- Before settings are read that are about to be changed.
select id from integration_connections where id = :connection for no key update;

-- name: ask_again
-- Other records than those that somebody said yes to: the next sync shows what it would do, and waits.
update integration_connections
set
    confirmed_at = null, shrink_allowed_at = null,
    held_for = case when held_for in ('preview', 'confirmation') then null else held_for end,
    held_details = case when held_for in ('preview', 'confirmation') then '{}' else held_details end,
    sync_requested_at = :now, next_sync_at = :now, updated_at = :now
where id = :connection
returning id;

-- name: take_sync_lease
-- One sync of a connection at a time.
update integration_connections
set lease = :lease, leased_until = clock_timestamp() + make_interval(secs => :seconds)
where id = :connection and (leased_until is null or leased_until <= clock_timestamp())
returning id;

-- name: release_sync_lease
-- It is over, whatever came of it.
update integration_connections set lease = null, leased_until = null where id = :connection and lease = :lease;

-- name: record_state
-- What a run says about the connection.
update integration_connections
set
    status = case when status in ('paused', 'disconnected') then status else :status end,
    error_count = :error_count, probes = :probes, next_sync_at = :next_sync_at,
    held_for = case when cast(:held_for as text) is not null then :held_for when held_for in ('reconnect', 'billing') then null else held_for end,
    held_at = case when cast(:held_for as text) is null then held_at when held_for is distinct from :held_for then :now else held_at end,
    error_message = :error_message,
    last_sync_at = case when cast(:has_synced as boolean) then :now else last_sync_at end,
    sync_requested_at = case when sync_requested_at <= :began_at then null else sync_requested_at end,
    shrink_allowed_at = case when shrink_allowed_at <= :began_at then null else shrink_allowed_at end,
    updated_at = :now
where id = :connection;

-- name: hold
-- Syncs wait for somebody's look; what former settings have shown is none of theirs.
update integration_connections
set held_for = :held_for, held_at = :now, held_details = :details, updated_at = :now
where id = :connection and coalesce(settings, '{}') = cast(:settings as jsonb)
returning id;

-- name: lift_hold
-- Somebody has looked at what is shown, or elsewhere. A yes to a removal is none to settings that were never previewed.
update integration_connections
set
    held_for = null, held_at = null, held_details = '{}',
    confirmed_at = case when held_for = 'preview' or cast(:has_looked as boolean) then coalesce(confirmed_at, :now) else confirmed_at end,
    shrink_allowed_at = case when held_for = 'confirmation' then :now else shrink_allowed_at end,
    status = case when status = 'error' then 'active' else status end, error_count = 0, probes = 0, error_message = null,
    next_sync_at = :now, updated_at = :now
where id = :connection and (held_for in ('preview', 'confirmation') or confirmed_at is not null or cast(:has_looked as boolean))
returning id;

-- name: resume
-- The account opens again: what waited for that goes on at once.
update integration_connections
set
    held_for = case when held_for = 'reconnect' then null else held_for end,
    status = case when status in ('error', 'disconnected') then 'active' else status end,
    sync_enabled = case when status = 'disconnected' then true else sync_enabled end,
    -- Whose mailbox it is has to be asked again: somebody may have chosen another account.
    account_label = case when mailbox_address is null then account_label end,
    error_count = 0, probes = 0, error_message = null, next_sync_at = :now, remove_requested_at = null, updated_at = :now
where id = :connection
returning id;

-- name: lift_reconnect
-- The account opens by the stored grant after all: what waited for that goes on, and nothing else does.
update integration_connections
set
    held_for = null, held_at = null, held_details = '{}', status = case when status = 'error' then 'active' else status end,
    error_count = 0, probes = 0, error_message = null, next_sync_at = :now, updated_at = :now
where id = :connection and held_for = 'reconnect'
returning id;

-- name: request_removal
-- Nothing is synced any more, and the next run takes the grant back at the vendor.
update integration_connections
set remove_requested_at = :now, sync_enabled = false, updated_at = :now
where id = :connection and status <> 'disconnected'
returning id;

-- name: removals_requested
-- Connections that somebody wants gone.
select
    connection.id, connection.workspace_id, workspace.org_id, workspace.name as workspace_name, connection.integration_type,
    connection.label, connection.account_label, connection.settings, coalesce(connection.status, 'active') as status,
    coalesce(connection.sync_enabled, true) as enabled, connection.error_message,
    coalesce(connection.error_count, 0) as error_count, connection.last_sync_at, connection.sync_frequency_minutes,
    connection.created_at, connection.updated_at, connection.held_for, connection.confirmed_at, connection.probes,
    coalesce(connection.shrink_allowed_at > clock_timestamp() - interval '1 day', false) as may_shrink,
    coalesce(connection.credentials, '{}'::jsonb) <> '{}'::jsonb as has_plaintext
from integration_connections connection
join workspaces workspace on workspace.id = connection.workspace_id
where connection.remove_requested_at is not null and connection.status <> 'disconnected'
order by connection.id;

-- name: set_enabled
-- Pause and resume: the status says so, and the switch of the document.
update integration_connections
set
    sync_enabled = :enabled,
    status = case
        when status = 'disconnected' then status
        when cast(:enabled as boolean) then 'active'
        else 'paused'
    end,
    error_count = case when cast(:enabled as boolean) then 0 else error_count end,
    next_sync_at = case when cast(:enabled as boolean) then :now else next_sync_at end, updated_at = :now
where id = :connection
returning id;

-- name: request_sync
-- Somebody wants a sync now, whatever the schedule says.
update integration_connections
set sync_requested_at = :now, next_sync_at = least(next_sync_at, :now), updated_at = :now
where id = :connection
returning id;

-- name: disconnect
-- Nothing opens the account any more; what was synced stays on both sides.
update integration_connections
set
    status = 'disconnected', sync_enabled = false, credentials = '{}', remove_requested_at = null, held_for = null, held_details = '{}', updated_at = :now
where id = :connection
returning id;

-- name: log_sync
-- One sync in the document's log.
insert into integration_sync_logs (
    connection_id, direction, success, records_synced, records_created, records_updated, records_failed, errors,
    duration_ms, metadata, started_at, completed_at
)
values (
    :connection, :direction, :success, :synced, :created, :updated, :failed, :errors, :duration, :metadata, :started_at,
    :completed_at
);

-- name: log_activity
-- One line of what happened to an integration.
insert into integration_activity (
    workspace_id, connection_id, integration_name, action, success, records_affected, error_message, metadata, created_at
)
values (
    :workspace, :connection, :integration, :action, :success, :records, :error_message, :metadata, :now
);

-- name: workspace_contacts
-- Contacts of the workspace's organization that the settings choose, page by page.
select
    contact.id, contact.email, contact.phone, contact.first_name, contact.last_name, contact.company_name, contact.title,
    contact.timezone, contact.linkedin_url, contact.status, contact.owner_id, contact.created_at, contact.updated_at
from contacts contact
join workspaces workspace on workspace.org_id = contact.org_id
where workspace.id = :workspace and contact.deleted_at is null and contact.id > :after
    and (cast(:owner as uuid) is null or contact.owner_id = :owner)
    and (cast(:status as text) is null or contact.status = :status)
    and (
        cast(:segment as text) is null or exists (
            select
            from customer_emails address
            join customer_segment_links link on link.customer_id = address.customer_id
            join segments segment on segment.id = link.segment_id
            where normalise_address(address.email) = normalise_address(contact.email) and segment.slug = :segment
        )
    )
order by contact.id
limit :limit;

-- name: workspace_pitches
-- Pitches of the workspace with the address that they go to, page by page.
select
    pitch.id, pitch.workspace_id, pitch.contact_id, coalesce(pitch.address, contact.email) as address, pitch.subject,
    pitch.body_html, pitch.body_text, pitch.status, pitch.sent_at, pitch.external_id, pitch.external_thread_id,
    pitch.external_draft_id
from pitches pitch
left join contacts contact on contact.id = pitch.contact_id
where pitch.workspace_id = :workspace and pitch.id > :after
order by pitch.id
limit :limit;

-- name: due_connections
-- Connections whose time has come, the longest waiting first; of those that wait for somebody only audiences that were synced before.
select connection.id
from integration_connections connection
join workspaces workspace on workspace.id = connection.workspace_id and workspace.org_id is not null
where connection.sync_enabled and connection.status in ('active', 'error') and connection.next_sync_at <= :now
    and (
        connection.held_for is null or connection.held_for = 'billing'
        or connection.held_for in ('preview', 'confirmation')
            and connection.integration_type = any (cast(:audiences as text[]))
            and exists (
                select
                from integration_checkpoints known
                where known.connection_id = connection.id and (known.cursor is not null or known.completed_at is not null)
            )
    )
    and (connection.leased_until is null or connection.leased_until <= clock_timestamp())
    and connection.integration_type = any (cast(:kinds as text[]))
    and connection.id <> all (cast(:tried as uuid[]))
order by connection.sync_requested_at nulls last, connection.next_sync_at, connection.id
limit :limit;

-- name: put_off
-- A connection whose run ended in a way that nothing recorded: its next one is not before its usual time.
update integration_connections
set next_sync_at = :next_sync_at, error_message = :reason, updated_at = :now
where id = :connection;
