-- name: remove_old_logs
-- Lines that were kept long enough, some at a time.
with old as (
    select id from integration_sync_logs where started_at < :before order by started_at limit :limit
)
delete from integration_sync_logs log using old where log.id = old.id returning log.id;

-- name: remove_old_activity
-- The same of activities.
with old as (
    select id from integration_activity where created_at < :before order by created_at limit :limit
)
delete from integration_activity line using old where line.id = old.id returning line.id;

-- name: remove_old_states
-- OAuth starts that nobody finished.
delete from integration_oauth_states where expires_at < :before returning state_hash;

-- name: empty_old_pitches
-- Texts of pitches that have been over for long enough, some at a time; who got one and what became of it stays.
with old as (
    select id
    from pitches
    where status in ('sent', 'refused', 'dry_run', 'failed', 'cancelled') and updated_at < :before
        and (subject <> '' or body_text is not null or body_html is not null)
    order by updated_at
    limit :limit
    for update skip locked
)
update pitches pitch
set subject = '', body_text = null, body_html = null
from old
where pitch.id = old.id
returning pitch.id;
