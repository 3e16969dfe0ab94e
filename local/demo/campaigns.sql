-- name: postal_address
-- No campaign mail leaves without one.
update organizations set postal_address = '1 Example Street, 10115 Berlin' where id = default_org_id();

-- name: contacts
-- The people of the campaign, one of whom is a customer too.
insert into contacts (email, first_name, company_name)
select address, 'Person ' || place, 'Example Ltd'
from unnest(cast(:addresses as text[])) with ordinality as given (address, place)
returning id;

-- name: next_due
-- When the worker has something to do next.
select min(next_step_at) as at
from campaign_enrollments
where campaign_id = :campaign_id and status in ('active', 'engaged');

-- name: people
-- How many are in this state.
select count(*)::integer as n from campaign_enrollments where campaign_id = :campaign_id and status = :status;

-- name: through
-- Who has all three steps behind them, each with its line.
select count(*)::integer as n
from (
    select enrollment_id from campaign_sequence_logs where campaign_id = :campaign_id and status = 'sent' group by 1 having count(*) = 3
) done;

-- name: tasks
-- Work that the campaign made for people.
select count(*)::integer as n from activities where secondary_entity_id = :campaign_id;

-- name: unaccounted
-- Steps of which not every arrival has exactly one line.
select count(*)::integer as n from campaign_step_accounting where campaign_id = :campaign_id and not holds;

-- name: outside
-- Moments at which a step was due, outside the hours of the campaign.
select count(*)::integer as n
from campaign_sequence_logs line
cross join lateral (select line.scheduled_at at time zone 'Europe/Berlin' as at) local
where line.campaign_id = :campaign_id
    and (extract(isodow from local.at) > 5 or local.at::time < '09:00' or local.at::time >= '17:00');

-- name: engagement
-- Scores by opens and clicks that a person made.
select count(*)::integer as n from campaign_enrollments where campaign_id = :campaign_id and engagement_score = :score;

-- name: ledger
-- What the consent ledger heard from this campaign.
select count(*)::integer as n from consent_events where kind = :kind and address = :address;
