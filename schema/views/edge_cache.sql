-- Views of edge_cache. Written by `make schema`: change it by a migration.


create view edge_source with (security_invoker = true) as
select
    'prospects' as entity,
    prospects.id,
    coalesce(prospects.sync_version, 1::bigint) as version,
    least(greatest(coalesce(prospects.updated_at, prospects.created_at, '1970-01-01 00:00:00+00'::timestamptz),
        '1000-01-01 00:00:00+00'::timestamptz), '9999-01-01 00:00:00+00'::timestamptz) as updated_at,
    edge_bucket(prospects.id) as bucket,
    jsonb_build_object('id', prospects.id, 'name', prospects.name, 'city', prospects.city, 'country', prospects.country,
        'contact_name', prospects.contact_name, 'contact_email', prospects.contact_email, 'contact_title',
        prospects.contact_title, 'phone', prospects.phone, 'website', prospects.website, 'linkedin_url',
        prospects.linkedin_url, 'stage', prospects.stage, 'tier', prospects.tier, 'score', trim_scale(prospects.score),
        'lead_source', prospects.lead_source, 'email_bounced', prospects.email_bounced, 'archived', prospects.archived,
        'created_at', edge_time(prospects.created_at), 'updated_at', edge_time(prospects.updated_at))::text as doc,
    null::bigint as edge_base
from prospects
union all
select
    'campaigns' as entity,
    campaigns.id,
    coalesce(campaigns.sync_version, 1::bigint) as version,
    least(greatest(coalesce(campaigns.updated_at, campaigns.created_at, '1970-01-01 00:00:00+00'::timestamptz),
        '1000-01-01 00:00:00+00'::timestamptz), '9999-01-01 00:00:00+00'::timestamptz) as updated_at,
    edge_bucket(campaigns.id) as bucket,
    jsonb_build_object('id', campaigns.id, 'name', campaigns.name, 'description', campaigns.description, 'status',
        campaigns.status, 'source', campaigns.source, 'send_window_start', campaigns.send_window_start,
        'send_window_end', campaigns.send_window_end, 'send_days', campaigns.send_days, 'timezone', campaigns.timezone,
        'created_at', edge_time(campaigns.created_at), 'updated_at', edge_time(campaigns.updated_at))::text as doc,
    null::bigint as edge_base
from campaigns
union all
select
    'mailboxes' as entity,
    mailboxes.id,
    coalesce(mailboxes.sync_version, 1::bigint) as version,
    least(greatest(coalesce(mailboxes.updated_at, mailboxes.created_at, '1970-01-01 00:00:00+00'::timestamptz),
        '1000-01-01 00:00:00+00'::timestamptz), '9999-01-01 00:00:00+00'::timestamptz) as updated_at,
    edge_bucket(mailboxes.id) as bucket,
    jsonb_build_object('id', mailboxes.id, 'email', mailboxes.email, 'name', mailboxes.name, 'provider',
        mailboxes.provider, 'status', mailboxes.status, 'daily_limit', mailboxes.daily_limit, 'created_at',
        edge_time(mailboxes.created_at), 'updated_at', edge_time(mailboxes.updated_at))::text as doc,
    null::bigint as edge_base
from mailboxes
union all
select
    'emails' as entity,
    emails.id,
    coalesce(emails.sync_version, 1::bigint) as version,
    least(greatest(coalesce(emails.updated_at, emails.created_at, '1970-01-01 00:00:00+00'::timestamptz),
        '1000-01-01 00:00:00+00'::timestamptz), '9999-01-01 00:00:00+00'::timestamptz) as updated_at,
    edge_bucket(emails.id) as bucket,
    jsonb_build_object('id', emails.id, 'prospect_id', emails.prospect_id, 'campaign_id', emails.campaign_id, 'subject',
        emails.subject, 'body', emails.body, 'to_email', emails.to_email, 'from_email', emails.from_email, 'message_id',
        emails.message_id, 'direction', emails.direction, 'status', emails.status, 'sent_at', edge_time(emails.sent_at),
        'opened_at', edge_time(emails.opened_at), 'clicked_at', edge_time(emails.clicked_at), 'replied_at',
        edge_time(emails.replied_at), 'bounced_at', edge_time(emails.bounced_at), 'created_at',
        edge_time(emails.created_at), 'updated_at', edge_time(emails.updated_at))::text as doc,
    emails.edge_base
from emails;

comment on view edge_source is 'Every replicated row as its item at the edge holds it: doc is the very text of the item.';
grant select on edge_source to authenticated, crm_relay, service_role;
