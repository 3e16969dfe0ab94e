-- name: take_turn
-- Who stops, who resumes and who looks do so one after the other; a statement of its own, so that the next one sees what the others did.
select pg_advisory_xact_lock(hashtextextended('sending_stops', 57));

-- name: organization_exists
-- Whether somebody names an organization of ours.
select exists (select from organizations where id = :org_id) as known;

-- name: stop_sending
-- From its commit on no gate lets a message of these purposes pass; the stop that holds already stays as it is.
insert into sending_stops (org_id, purposes, reason, stopped_by, stopped_at)
select cast(:org_id as uuid), cast(:purposes as text[]), cast(:reason as text), :who, cast(:now as timestamptz)
where not exists (select from sending_stops where resumed_at is null and org_id is not distinct from cast(:org_id as uuid))
returning id;

-- name: resume_sending
-- The stop ends; its trigger has what it holds asked again.
update sending_stops
set resumed_at = :now, resumed_by = :who
where resumed_at is null and org_id is not distinct from cast(:org_id as uuid)
returning id;

-- name: open_stops
-- Stops that hold now.
select stop.id, stop.org_id as organization_id, owner.name as organization, stop.purposes, stop.reason, stop.stopped_by, stop.stopped_at
from sending_stops stop
left join organizations owner on owner.id = stop.org_id
where stop.resumed_at is null
order by stop.org_id nulls first;

-- name: stop_of
-- The stop that holds an organization's messages of one purpose; that of every organization before its own.
select stop.id, stop.org_id as organization_id, owner.name as organization, stop.purposes, stop.reason, stop.stopped_by, stop.stopped_at
from sending_stops stop
left join organizations owner on owner.id = stop.org_id
where stop.resumed_at is null and :purpose = any (stop.purposes) and (stop.org_id is null or stop.org_id = :org_id)
order by stop.org_id nulls first
limit 1;

-- name: on_its_way
-- Requests that had passed the gate before the stop: nobody can call them back.
select
    (
        select count(*)
        from email_batches
        where state = 'sending' and claimed_until > :now and purpose = any (cast(:purposes as text[]))
            and (cast(:org_id as uuid) is null or org_id = :org_id)
    )::integer + (
        select count(*)
        from sms_sends
        where status = 'sending' and claimed_until > :now and purpose = any (cast(:purposes as text[]))
            and (cast(:org_id as uuid) is null or org_id = :org_id)
    )::integer + (
        select count(*)
        from mail_elsewhere
        where leaving_until > :now and purpose = any (cast(:purposes as text[]))
            and (cast(:org_id as uuid) is null or org_id = :org_id)
    )::integer as requests;
