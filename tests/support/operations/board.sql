-- name: workspaces
-- Three workspaces of EmailBison.
insert into workspaces (org_id, name, timezone, bison_workspace_id)
select default_org_id(), name, 'UTC', 17 + place
from unnest(array['Northwind', 'Contoso', 'Fabrikam']) with ordinality as named (name, place)
where cast(:now as timestamptz) is not null;

-- name: counters
-- The current month of each.
insert into client_metrics
    (workspace_name, month, emails_sent_mtd, replies_mtd, positive_replies_mtd, bounced_mtd, unsubscribed_mtd)
select name, date_trunc('month', cast(:now as timestamptz) at time zone 'UTC')::date, sent, replies, good, bounced, gone
from (
    values ('Northwind', 3120, 204, 61, 35, 9), ('Contoso', 1890, 77, 18, 88, 14), ('Fabrikam', 640, 31, 12, 4, 1)
) as counted (name, sent, replies, good, bounced, gone);

-- name: deliveries
-- Northwind's are well, one in six of Contoso's fails, Fabrikam is silent.
insert into webhook_delivery_slots (workspace_name, slot, deliveries, successes, last_at)
select name, at, 12, 12 - failing * (n % 5), at
from (values ('Northwind', 0), ('Contoso', 1)) as named (name, failing)
cross join generate_series(0, 40) as n
cross join lateral (select cast(:now as timestamptz) - interval '4 minutes' - n * interval '30 minutes' as at) as slot;

-- name: senders
-- One in nine is not connected.
insert into sender_emails_cache (workspace_name, email_address, status, email_provider, sender_email_id)
select
    name, 'sender' || n || '@' || lower(name) || '.example', case when n % 9 = 0 then 'Not connected' else 'Connected' end,
    'Gmail', place * 1000 + n
from unnest(array['Northwind', 'Contoso', 'Fabrikam']) with ordinality as named (name, place)
cross join lateral generate_series(1, (37 - 7 * place)::integer) as n
where cast(:now as timestamptz) is not null;

-- name: providers
-- Thirty days with quiet weekends.
insert into provider_performance_history
    (snapshot_date, workspace_name, email_provider, total_accounts, connected_accounts, sent_since, replies_since)
select
    date, 'Northwind', provider, accounts, accounts - (day % 4 = 0)::integer, sent,
    round(sent * (rate + sin(day / 3.0 + accounts)) / 100)
from (values ('Gmail', 420, 5.9, 34), ('Outlook', 310, 4.1, 22), ('Yahoo', 190, 2.4, 8), ('Other', 140, 3.3, 5))
    as known (provider, usual, rate, accounts)
cross join generate_series(0, 29) as day
cross join lateral (select cast(:now as timestamptz)::date - day as date) as dated
cross join lateral (
    select round(usual * (1 + 0.25 * sin(day / 2.0)) * case when extract(isodow from date) > 5 then 0.2 else 1 end) as sent
) as volume;

-- name: runs
-- Sixty runs of the edge sync; one failed, one was cut off.
insert into sync_log (
    direction, started_at, finished_at, read_count, written_count, deleted_count, parked_count, conflict_count, pending_count,
    status, error, ordered_by
)
select
    case when n % 3 = 0 then 'to_cache' else 'to_postgres' end, at, at + interval '2 seconds', n * 3 % 50, n * n % 47,
    (n % 11 = 0)::integer, (n % 13 = 0)::integer, (n % 17 = 0)::integer, n % 5,
    case n when 31 then 'failed' when 22 then 'stopped' else 'success' end,
    case n when 31 then 'the database connection was lost' when 22 then 'the time was up; the next run goes on' end,
    case n when 57 then 'night-robot' else 'schedule' end
from generate_series(1, 60) as n
cross join lateral (
    select cast(:now as timestamptz) - interval '90 seconds' - (60 - n) * interval '200 seconds' as at
) as begun;

-- name: mautic_runs
-- A quarter of a day of them.
insert into mautic_sync_logs
    (run_started_at, run_finished_at, contacts_synced, contacts_created, contacts_updated, contacts_failed, segments_synced)
select at, at + interval '41 seconds', 40 + n * 7 % 90, n % 7, 40 + n * 7 % 90 - n % 7, (n = 9)::integer * 2, 4
from generate_series(1, 24) as n
cross join lateral (
    select cast(:now as timestamptz) - interval '6 minutes' - (24 - n) * interval '15 minutes' as at
) as begun;

-- name: conflicts
-- One that each side won.
insert into edge_conflicts
    (entity, row_id, postgres_doc, edge_doc, postgres_at, edge_at, edge_edits, differing, winner, rule, decided_at)
select
    'prospects', gen_random_uuid(), '{"name": "Adventure Works", "stage": "new", "tier": "B"}',
    '{"name": "Adventure Works", "stage": "contacted", "tier": "A"}', :now, :now, 1, array['stage', 'tier'], winner, rule,
    cast(:now as timestamptz) - hours * interval '1 hour'
from (values ('edge', 'the edge wrote last', 6), ('postgres', 'PostgreSQL wrote last, or at the same time', 3))
    as decided (winner, rule, hours);

-- name: incidents
-- One that is open and one that is over.
insert into incidents
    (kind, subject, workspace_name, title, opened_at, closed_at, told_open_at, told_closed_at)
select kind, subject, workspace, title, at, over, at, over
from (
    values
        ('webhook_health', 'Contoso', 'Contoso', 'Webhook deliveries fail', 2, null),
        ('sender_account', 'sender account 1009', 'Northwind', 'sender account(s) disconnected', 9, 7)
) as given (kind, subject, workspace, title, began, ended)
cross join lateral (
    select
        cast(:now as timestamptz) - began * interval '1 hour' as at,
        cast(:now as timestamptz) - ended * interval '1 hour' as over
) as dated;

-- name: failed_tasks
-- Three messages that were given up.
insert into failed_tasks (source, task_key, payload, failed_at, error)
select
    'mautic', 'key' || n,
    replace(encode(convert_to(
        jsonb_build_object(
            'source', 'mautic', 'dedupe_key', 'key' || n, 'headers', '{}'::jsonb,
            'received_at', cast(:now as timestamptz), 'body_base64', 'e30='
        )::text, 'UTF8'
    ), 'base64'), e'\n', ''),
    cast(:now as timestamptz) - n * interval '50 minutes', 'given up by the queue'
from generate_series(1, 3) as n;

-- name: integrity
-- A nightly run that mended most of what it found.
with run as (
    insert into integrity_runs (is_full, is_fix, started_at, finished_at, status, counts, items_read)
    values (
        true, true, cast(:now as timestamptz) - interval '40 minutes', cast(:now as timestamptz) - interval '39 minutes', 'success',
        '{"drift": {"found": 2, "fixable": 2, "fixed": 2, "asks": false},
          "orphaned_email": {"found": 3, "fixable": 1, "fixed": 1, "asks": false}}', 1200
    )
    returning id
),
finding as (
    insert into integrity_findings (run_id, check_name, entity, row_id, what, status, found_at, seen_at)
    select
        id, 'orphaned_email', 'emails', gen_random_uuid()::text, 'the prospect does not exist, and none has the address',
        case n when 1 then 'parked' else 'open' end, :now, :now
    from run
    cross join generate_series(1, 2) as n
    returning id, run_id
)
insert into integrity_fixes
    (run_id, finding_id, check_name, entity, row_id, action, before, after, fixed_at, fixed_by, applied_at)
select
    min(run_id), min(id), 'orphaned_email', 'emails', gen_random_uuid()::text, 'marked orphaned', '{"orphaned": false}',
    '{"orphaned": true}', cast(:now as timestamptz) - interval '39 minutes', 'schedule', :now
from finding;

-- name: campaigns
-- Two campaigns that run, one of them with an A/B winner, and one that is still a draft.
with campaign as (
    insert into campaigns (id, name, status, activated_at, timezone)
    select
        ('00000000-0000-4000-8000-00000000010' || n)::uuid, name, status,
        case status when 'active' then cast(:now as timestamptz) - n * interval '3 days' end, zone
    from (
        values (1, 'Spring launch', 'active', 'America/New_York'), (2, 'Win back', 'active', 'Europe/Lisbon'), (3, 'Summer', 'draft', 'UTC')
    ) as given (n, name, status, zone)
    returning id
)
insert into campaign_sequences (id, campaign_id, step_number, channel, subject, body_html, task_config, ab_winner)
select
    ('00000000-0000-4000-8000-0000000002' || n || number)::uuid, ('00000000-0000-4000-8000-00000000010' || n)::uuid, number, channel,
    subject, case channel when 'email' then '<p>Hello</p>' end, case channel when 'linkedin' then '{"title": "Connect"}'::jsonb end, winner
from (
    values
        (1, 1, 'email', 'A new season, {{contact.first_name|friend}}', 'b'), (1, 2, 'linkedin', null, null),
        (1, 3, 'email', 'Did you see it?', null), (1, 4, 'phone', null, null),
        (2, 1, 'email', 'We miss you', null), (2, 2, 'sms', null, null), (3, 1, 'email', 'Sun', null)
) as given (n, number, channel, subject, winner)
where exists (select from campaign);

-- name: enrollments
-- Forty in the first, twelve in the second, some of them at the end of their sequence.
with person as (
    insert into contacts (id, email, first_name)
    select ('00000000-0000-4000-8000-00000000' || lpad(n::text, 4, '0'))::uuid, 'reader' || n || '@example.com', 'Reader'
    from generate_series(1, 52) as n
    returning id
)
insert into campaign_enrollments (id, org_id, campaign_id, contact_id, status, current_step, next_step_at, replied_at, emails_sent, created_at)
select
    ('00000000-0000-4000-9000-00000000' || lpad(n::text, 4, '0'))::uuid, default_org_id(),
    ('00000000-0000-4000-8000-00000000010' || case when n <= 40 then 1 else 2 end)::uuid,
    ('00000000-0000-4000-8000-00000000' || lpad(n::text, 4, '0'))::uuid,
    case when n <= 5 then 'replied' when n <= 12 then 'completed' when n % 9 = 0 then 'engaged' else 'active' end,
    case when n <= 5 then 1 when n <= 12 then 4 when n <= 30 then 2 else 1 end,
    case when n > 12 then cast(:now as timestamptz) + n * interval '1 hour' end,
    case when n <= 5 then cast(:now as timestamptz) - interval '1 day' end, 1, cast(:now as timestamptz) - interval '5 days'
from generate_series(1, 52) as n
where exists (select from person);

-- name: lines
-- What each of them has reached, and how that ended.
insert into campaign_sequence_logs (org_id, campaign_id, enrollment_id, sequence_id, step_number, channel, status, reason, sent_at)
select
    enrollment.org_id, enrollment.campaign_id, enrollment.id, step.id, step.step_number, step.channel,
    case
        when step.step_number = 2 and place % 7 = 0 then 'skipped' when step.step_number = 1 and place % 11 = 0 then 'failed'
        when step.step_number = 1 and place % 13 = 0 then 'stopped' when step.channel = 'sms' then 'pending' else 'sent'
    end,
    null, :now
from (select *, row_number() over (order by id) as place from campaign_enrollments) enrollment
join campaign_sequences step on step.campaign_id = enrollment.campaign_id and step.step_number <= enrollment.current_step;

-- name: reached
-- The engine's own count of the same lines.
update campaign_sequences step
set reached = (select count(*) from campaign_sequence_logs line where line.sequence_id = step.id)
where cast(:now as timestamptz) is not null;

-- name: mails
-- Every third one was opened by a person, every sixth one clicked, and a scanner looked at all of them.
insert into email_sends (
    org_id, send_key, campaign_id, sequence_id, enrollment_id, contact_id, recipient_email, address, subject, status, opened_count, human_opens,
    human_clicks, queued_at, left_at, delivered_at
)
select
    line.org_id, 'board:' || line.id, line.campaign_id, line.sequence_id, line.enrollment_id, contact.id, contact.email,
    normalise_address(contact.email), 'A new season, Reader', case when place % 10 = 4 then 'bounced' else 'delivered' end, 1,
    (place % 3 = 0)::integer, (place % 6 = 0)::integer, at, at, at + interval '40 seconds'
from (
    select *, row_number() over (order by enrollment_id, step_number) as place
    from campaign_sequence_logs
    where channel = 'email' and status = 'sent'
) line
join campaign_enrollments enrollment on enrollment.id = line.enrollment_id
join contacts contact on contact.id = enrollment.contact_id
cross join lateral (select cast(:now as timestamptz) - place % 5 * interval '1 day' - interval '20 minutes' as at) as made;

-- name: events
-- What was reported about them.
insert into email_logs (email_send_id, event_type, occurred_at, event_key, verdict)
select mail.id, kind, mail.queued_at + interval '5 minutes', mail.send_key || kind, verdict
from email_sends mail
cross join lateral (
    values
        ('delivered', null, mail.status = 'delivered'), ('bounced', null, mail.status = 'bounced'), ('opened', 'human', mail.human_opens > 0),
        ('opened', 'machine', mail.human_opens = 0), ('clicked', 'human', mail.human_clicks > 0)
) as reported (kind, verdict, is_so)
where is_so and cast(:now as timestamptz) is not null;
