-- name: take_permits
-- A block of requests of each limit: from when on they may leave, and how many of the month's were taken before.
insert into integration_limits as known (scope, next_at, month, used, updated_at)
select
    it.scope, timestamptz 'epoch' + make_interval(secs => it.seconds),
    date_trunc('month', clock_timestamp() at time zone 'UTC')::date, cast(:requests as integer), clock_timestamp()
from :limits as it (scope text, seconds double precision)
-- All workers lock in this order, so that no two wait for each other.
order by it.scope
on conflict (scope) do update
set
    next_at = greatest(known.next_at, clock_timestamp()) + (excluded.next_at - timestamptz 'epoch'),
    used = case when known.month = excluded.month then known.used else 0 end + excluded.used,
    month = excluded.month, updated_at = excluded.updated_at
returning
    scope, extract(epoch from next_at - clock_timestamp())::double precision as ends_in, used - cast(:requests as integer) as used_before;

-- name: give_back
-- Requests of a block that were not made count for nothing in the month.
update integration_limits
set used = greatest(0, used - cast(:requests as integer)), updated_at = clock_timestamp()
where scope = any (cast(:scopes as text[])) and month = date_trunc('month', clock_timestamp() at time zone 'UTC')::date;

-- name: slow_down
-- A vendor asked for a pause: nobody sends to this account before it is over.
insert into integration_limits as known (scope, next_at, updated_at)
select it.scope, clock_timestamp() + make_interval(secs => :seconds), clock_timestamp()
from unnest(cast(:scopes as text[])) as it (scope)
order by it.scope
on conflict (scope) do update
set next_at = greatest(known.next_at, excluded.next_at), updated_at = excluded.updated_at;

-- name: used_this_month
-- How many requests of the month were made, by limit.
select scope, case when month = date_trunc('month', clock_timestamp() at time zone 'UTC')::date then used else 0 end as used
from integration_limits
where scope = any (cast(:scopes as text[]));
