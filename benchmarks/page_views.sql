-- name: contacts
-- A million people with names.
insert into contacts (id, email, first_name, last_name, company_name)
select
    ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'person' || n || '@example.com', 'First' || n % 997,
    'Last' || n % 49999, 'Company ' || n % 5000
from generate_series(1, cast(:rows as integer)) as n;

-- name: campaign
-- One that runs, with two steps.
with made as (
    insert into campaigns (id, name, status, source, activated_at)
    values ('00000000-0000-4000-8000-0000000000aa', 'Everybody', 'active', 'native', now())
    returning id
)
insert into campaign_sequences (id, campaign_id, step_number, channel, subject, body_html)
select ('00000000-0000-4000-8000-0000000000b' || n)::uuid, id, n, 'email', 'Subject', '<p>Hello</p>'
from made
cross join generate_series(1, 2) as n
where cast(:rows as integer) > 0;

-- name: enrollments
-- Everybody is in it; a tenth is due in the next day.
insert into campaign_enrollments (id, org_id, campaign_id, contact_id, address, status, current_step, next_step_at, created_at)
select
    ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid, default_org_id(), '00000000-0000-4000-8000-0000000000aa',
    ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'person' || n || '@example.com',
    case when n % 1000 = 0 then 'replied' else 'active' end, 1,
    case when n % 1000 <> 0 then now() + n % 240 * interval '1 hour' end, now()
from generate_series(1, cast(:rows as integer)) as n;

-- name: mails
-- One mail to each, over ninety days.
insert into email_sends (org_id, send_key, campaign_id, sequence_id, enrollment_id, contact_id, recipient_email, address, subject, status, queued_at)
select
    default_org_id(), 'page:' || n, '00000000-0000-4000-8000-0000000000aa', '00000000-0000-4000-8000-0000000000b1',
    ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
    'person' || n || '@example.com', 'person' || n || '@example.com', 'Subject',
    case n % 20 when 0 then 'bounced' when 1 then 'suppressed' else 'delivered' end, now() - n * interval '7.7 seconds'
from generate_series(1, cast(:rows as integer)) as n;

-- name: events
-- An open of each third one.
insert into email_logs (email_send_id, event_type, occurred_at, event_key, verdict)
select id, 'opened', queued_at + interval '1 hour', send_key || ':opened', 'human'
from email_sends
where right(send_key, 1) in ('3', '6', '9') and cast(:rows as integer) > 0;
