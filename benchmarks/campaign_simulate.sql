-- name: campaign
-- Seven steps of every channel over two weeks, two of them with variants, one with a condition.
with campaign as (
    insert into campaigns (name, status, use_recipient_timezone) values ('Ahead', 'active', true) returning id
)
insert into campaign_sequences (
    campaign_id, step_number, channel, delay_days, delay_hours, subject, body_html, body_text, task_config, skip_conditions,
    ab_variants
)
select
    campaign.id, number, channel, days, hours, 'Step ' || number, '<p>Hello {{contact.first_name}}</p>', 'Hello',
    '{"title": "Look"}', case number when 5 then '[{"field": "emails_sent", "operator": "gte", "value": 9}]' else '[]' end::jsonb,
    case when number in (1, 3) then '[{"id": "a", "weight": 1}, {"id": "b", "weight": 2, "subject": "Other"}]' end::jsonb
from campaign
cross join (
    values (1, 'email', 0, 1), (2, 'linkedin', 1, 0), (3, 'email', 2, 0), (4, 'phone', 0, 3), (5, 'email', 3, 0), (6, 'sms', 1, 0),
        (7, 'email', 5, 0)
) as step (number, channel, days, hours)
returning campaign_id as id;

-- name: people
-- In a dozen zones and none, all of them to begin at once.
with person as (
    insert into contacts (email, first_name, phone, timezone)
    select
        'person' || n || '@example.com', 'Person', '+1415555' || lpad((n % 10000)::text, 4, '0'),
        (array['America/New_York', 'Europe/Lisbon', 'Asia/Tokyo', 'Asia/Kolkata', 'Australia/Sydney', 'America/Sao_Paulo', null])[1 + n % 7]
    from generate_series(1, cast(:people as integer)) as n
    returning id, email
)
insert into campaign_enrollments (org_id, campaign_id, contact_id, address)
select default_org_id(), :campaign_id, id, email from person;
