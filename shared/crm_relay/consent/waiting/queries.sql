-- name: keep_waiting
-- Opt-outs that are not in the ledger for everybody they concern, once each.
insert into waiting_opt_outs (
    source, source_event, channel, address, number_end, source_person, customer_id, occurred_at, org_id
)
select source, source_event, channel, address, number_end, source_person, customer_id, occurred_at, org_id
from :waiting as given (
    source text, source_event text, channel text, address text, number_end text, source_person text, customer_id uuid,
    occurred_at timestamptz, org_id uuid
)
order by source, source_event
on conflict (source, source_event) do nothing;

-- name: waiting_events
-- Which of a source's events wait.
select source_event from waiting_opt_outs where source = :source and source_event = any (cast(:events as text[]));

-- name: waiting_persons
-- How a source names the persons of opt-outs that wait, and how many there are. As JSON, since there may be many.
select
    count(*)::integer as events,
    coalesce(jsonb_agg(distinct source_person) filter (where source_person is not null), '[]') as persons
from waiting_opt_outs
where source = :source;

-- name: claim_waiting_opt_outs
-- Those of known persons and customers, locked by id; what was looked at in vain comes after the others.
with found as materialized (
    select waiting.id
    from waiting_opt_outs waiting
    where waiting.source = :source
        and (
            waiting.source_person in (select jsonb_array_elements_text(:persons))
            or exists (select from customer_profiles profile where profile.id = waiting.customer_id)
        )
        and (cast(:ids as uuid[]) is null or waiting.id = any (cast(:ids as uuid[])))
    order by waiting.looked_at nulls first, waiting.id
    limit :limit
)
select waiting.id, waiting.source_event, waiting.occurred_at, waiting.source_person, waiting.customer_id, waiting.address,
    waiting.number_end
from found
join waiting_opt_outs waiting on waiting.id = found.id
order by waiting.id
for update of waiting;

-- name: settle_waiting
-- They are in the ledger; the rows were locked before.
delete from waiting_opt_outs where id = any (cast(:ids as uuid[]));

-- name: look_again
-- Whose they are is known by now, and no number is; the rows were locked before.
update waiting_opt_outs waiting
set customer_id = coalesce(looked.customer_id, waiting.customer_id), looked_at = clock_timestamp()
from :looked as looked (id uuid, customer_id uuid)
where waiting.id = looked.id;

-- name: waiting_of
-- What waits that is, or may be, about a person.
select channel, source, source_person, customer_id, address, number_end, occurred_at, recorded_at
from waiting_opt_outs
where customer_id = any (cast(:customer_ids as uuid[]))
    or source = 'mautic' and source_person = any (cast(:contact_ids as text[]))
    or address = any (cast(:addresses as text[]))
    or number_end = any (cast(:ends as text[]))
order by occurred_at, id;

-- name: erase_waiting
-- Opt-outs of the person that wait; a number without its country is the person's only where something else says so too.
delete from waiting_opt_outs
where customer_id = any (cast(:customer_ids as uuid[]))
    or source = 'mautic' and source_person = any (cast(:contact_ids as text[]))
    or address = any (cast(:addresses as text[]))
returning id;

-- name: count_waiting
-- What erase_waiting would delete.
select count(*)::integer as events
from waiting_opt_outs
where customer_id = any (cast(:customer_ids as uuid[]))
    or source = 'mautic' and source_person = any (cast(:contact_ids as text[]))
    or address = any (cast(:addresses as text[]));
