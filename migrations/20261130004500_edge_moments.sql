-- A row may say that it was written in the year 20225, before Christ or at infinity: no program outside of PostgreSQL reads such
-- times, and one of them kept all rows from the edge. The document has them as they are; the time that is compared is bounded.
set local lock_timeout = '5s';

-- replaces: 'prospects' as entity, id, coalesce(sync_version, 1) as version, coalesce(updated_at, created_at, 'epoch') as updated_at, edge_bucket(id) as bucket
-- replaces: 'campaigns', id, coalesce(sync_version, 1), coalesce(updated_at, created_at, 'epoch'), edge_bucket(id)
-- replaces: 'mailboxes', id, coalesce(sync_version, 1), coalesce(updated_at, created_at, 'epoch'), edge_bucket(id)
-- replaces: 'emails', id, coalesce(sync_version, 1), coalesce(updated_at, created_at, 'epoch'), edge_bucket(id)

create or replace view edge_source with (security_invoker = true) as
select
    'prospects' as entity, id, coalesce(sync_version, 1) as version,
    least(greatest(coalesce(updated_at, created_at, 'epoch'), '1000-01-01 00:00:00+00'), '9999-01-01 00:00:00+00') as updated_at,
    edge_bucket(id) as bucket,
    jsonb_build_object(
        'id', id, 'name', name, 'city', city, 'country', country, 'contact_name', contact_name, 'contact_email', contact_email,
        'contact_title', contact_title, 'phone', phone, 'website', website, 'linkedin_url', linkedin_url, 'stage', stage,
        'tier', tier, 'score', trim_scale(score), 'lead_source', lead_source, 'email_bounced', email_bounced, 'archived', archived,
        'created_at', edge_time(created_at), 'updated_at', edge_time(updated_at)
    )::text as doc,
    null::bigint as edge_base
from prospects
union all
select
    'campaigns', id, coalesce(sync_version, 1), least(greatest(coalesce(updated_at, created_at, 'epoch'), '1000-01-01 00:00:00+00'), '9999-01-01 00:00:00+00'),
    edge_bucket(id),
    jsonb_build_object(
        'id', id, 'name', name, 'description', description, 'status', status, 'source', source,
        'send_window_start', send_window_start, 'send_window_end', send_window_end, 'send_days', send_days, 'timezone', timezone,
        'created_at', edge_time(created_at), 'updated_at', edge_time(updated_at)
    )::text,
    null
from campaigns
union all
select
    'mailboxes', id, coalesce(sync_version, 1), least(greatest(coalesce(updated_at, created_at, 'epoch'), '1000-01-01 00:00:00+00'), '9999-01-01 00:00:00+00'),
    edge_bucket(id),
    jsonb_build_object(
        'id', id, 'email', email, 'name', name, 'provider', provider, 'status', status, 'daily_limit', daily_limit,
        'created_at', edge_time(created_at), 'updated_at', edge_time(updated_at)
    )::text,
    null
from mailboxes
union all
select
    'emails', id, coalesce(sync_version, 1), least(greatest(coalesce(updated_at, created_at, 'epoch'), '1000-01-01 00:00:00+00'), '9999-01-01 00:00:00+00'),
    edge_bucket(id),
    jsonb_build_object(
        'id', id, 'prospect_id', prospect_id, 'campaign_id', campaign_id, 'subject', subject, 'body', body, 'to_email', to_email,
        'from_email', from_email, 'message_id', message_id, 'direction', direction, 'status', status,
        'sent_at', edge_time(sent_at), 'opened_at', edge_time(opened_at), 'clicked_at', edge_time(clicked_at),
        'replied_at', edge_time(replied_at), 'bounced_at', edge_time(bounced_at),
        'created_at', edge_time(created_at), 'updated_at', edge_time(updated_at)
    )::text,
    edge_base
from emails;
