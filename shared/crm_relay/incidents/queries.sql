-- name: open_incidents
-- The index decides who opens a subject; an incident whose recovery was not sent yet continues, and only it is changed.
with given as (
    select distinct on (kind, subject) kind, subject, workspace_name, title, details
    from jsonb_to_recordset(:incidents) as incident (
        kind text, subject text, workspace_name text, title text, details jsonb
    )
    -- One that is open stays as it is, no matter who has its row locked: campaigns report with the claimers' turn.
    where not exists (
        select
        from incidents open
        where open.kind = incident.kind and open.subject = incident.subject and open.closed_at is null and open.told_closed_at is null
    )
    order by kind, subject
),
opened as (
    insert into incidents as known (kind, subject, workspace_name, title, details, opened_at)
    select kind, subject, workspace_name, title, details, cast(:now as timestamptz)
    from given
    -- All statements here lock in this order, so that no two wait for each other.
    order by kind, subject
    on conflict (kind, subject) where told_closed_at is null do update
    set
        closed_at = null,
        workspace_name = excluded.workspace_name,
        title = excluded.title,
        details = excluded.details,
        -- Where the recovery may have been sent, the opening has to be sent again.
        told_open_at = case
            when known.claimed_until is null and known.taken_by = '{}' and known.opening_taken_by is null then known.told_open_at
        end,
        taken_by = case
            when known.told_open_at is null then known.taken_by
            when known.claimed_until is null and known.taken_by = '{}' then coalesce(known.opening_taken_by, '{}')
            else '{}'
        end,
        opening_taken_by = null
    where known.closed_at is not null
    returning known.id
)
select count(*)::integer as opened from opened;

-- name: close_incidents
-- Whatever of these is open; claim_alerts decides when its recovery is sent.
with locked as (
    select id
    from incidents
    where kind = :kind and subject = any (cast(:subjects as text[])) and closed_at is null and told_closed_at is null
    order by subject
    for update
),
closed as (
    update incidents known
    set closed_at = cast(:now as timestamptz)
    from locked
    where known.id = locked.id and known.closed_at is null
    returning known.id
)
select count(*)::integer as closed from closed;

-- name: close_free_incidents
-- The same for anyone who looks again: one that somebody else has locked is left to the next look.
with locked as (
    select id
    from incidents
    where kind = :kind and subject = any (cast(:subjects as text[])) and closed_at is null and told_closed_at is null
    order by subject
    for update skip locked
),
closed as (
    update incidents known
    set closed_at = cast(:now as timestamptz)
    from locked
    where known.id = locked.id and known.closed_at is null
    returning known.id
)
select count(*)::integer as closed from closed;

-- name: keep_open
-- Makes the open ones of a kind, in one workspace or in all, exactly those that are given.
with given as (
    select distinct on (subject) subject, workspace_name, title, details
    from jsonb_to_recordset(:incidents) as incident (subject text, workspace_name text, title text, details jsonb)
    order by subject
),
wanted as (
    select subject, workspace_name, title, details, cast(:now as timestamptz) as opened_at, cast(null as timestamptz) as closed_at
    from given
    union all
    select subject, workspace_name, title, details, opened_at, cast(:now as timestamptz)
    from incidents
    where kind = :kind and closed_at is null and told_closed_at is null
        and (cast(:scope as text) is null or workspace_name = cast(:scope as text))
        and subject not in (select subject from given)
),
-- One pass in the order of open_incidents for what opens and what closes: in two passes, two of these could deadlock.
changed as (
    insert into incidents as known (kind, subject, workspace_name, title, details, opened_at, closed_at)
    select cast(:kind as text), subject, workspace_name, title, details, opened_at, closed_at
    from wanted
    order by subject
    on conflict (kind, subject) where told_closed_at is null do update
    set
        closed_at = excluded.closed_at,
        workspace_name = excluded.workspace_name,
        title = excluded.title,
        details = excluded.details,
        told_open_at = case
            when excluded.closed_at is not null
                or known.claimed_until is null and known.taken_by = '{}' and known.opening_taken_by is null
                then known.told_open_at
        end,
        taken_by = case
            when excluded.closed_at is not null or known.told_open_at is null then known.taken_by
            when known.claimed_until is null and known.taken_by = '{}' then coalesce(known.opening_taken_by, '{}')
            else '{}'
        end,
        opening_taken_by = case when excluded.closed_at is not null then known.opening_taken_by end
    where (known.closed_at is null) <> (excluded.closed_at is null)
    returning known.closed_at
)
select count(*) filter (where closed_at is null)::integer as opened, count(closed_at)::integer as closed
from changed;

-- name: claim_alerts
-- What is due and unclaimed; what closed before its opening was sent is settled here without an alert.
with due as (
    -- Judged here and not below, since this sees a row as it is once it is locked.
    select
        id,
        closed_at is not null and told_open_at is null as is_late,
        -- A claim that ran out belongs to somebody who died, perhaps after the message had gone.
        claimed_until is null and taken_by = '{}' as is_unheard
    from incidents
    where told_closed_at is null
        and (claimed_until is null or claimed_until <= :now)
        and (
            closed_at is null and told_open_at is null and (snoozed_until is null or snoozed_until <= :now)
            or closed_at <= :quiet_since
        )
    order by attempts, id
    limit :limit
    for update skip locked
),
claimed as (
    update incidents incident
    set
        told_open_at = case when is_late then cast(:now as timestamptz) else told_open_at end,
        -- The first try is made on the row as it was before the lock, and checked, before it is made on the row as it is.
        told_closed_at = case
            when is_late and is_unheard and closed_at is not null then cast(:now as timestamptz)
        end,
        claimed_until = case when is_late and is_unheard then null else cast(:claimed_until as timestamptz) end,
        taken_by = case when is_late then '{}' else taken_by end,
        -- The channels that lack the opening are sent it before the recovery.
        opening_taken_by = case when is_late then taken_by else opening_taken_by end
    from due
    where incident.id = due.id
    returning incident.*
)
select id, kind, subject, title, workspace_name, opened_at, closed_at, attempts, taken_by, opening_taken_by
from claimed
where told_closed_at is null
order by id;

-- name: record_sent
-- What became of everything that was claimed; an incident may have closed or opened again while it was being sent.
with outcome as (
    select id, is_opening, sent_to_all, tries, taken_by, opening_taken_by
    from jsonb_to_recordset(:outcomes) as given (
        ids bigint[], is_opening boolean, sent_to_all boolean, tries integer, taken_by text[], opening_taken_by text[]
    )
    cross join unnest(ids) as id
),
-- In the order of those who open and close.
locked as (
    select id
    from incidents
    where id in (select id from outcome) and claimed_until = :claimed_until
    order by kind, subject
    for update
)
update incidents incident
set
    claimed_until = null,
    attempts = case when outcome.sent_to_all then 0 else incident.attempts + outcome.tries end,
    told_open_at = case
        when not outcome.sent_to_all then incident.told_open_at
        when outcome.is_opening then coalesce(incident.told_open_at, cast(:now as timestamptz))
        -- Open again: its recovery was sent, so its opening has to be sent.
        when incident.closed_at is null then null
        else coalesce(incident.told_open_at, cast(:now as timestamptz))
    end,
    told_closed_at = case
        when outcome.sent_to_all and not outcome.is_opening and incident.closed_at is not null then cast(:now as timestamptz)
    end,
    taken_by = case
        when outcome.sent_to_all or outcome.is_opening <> (incident.told_open_at is null) then '{}'
        else outcome.taken_by
    end,
    opening_taken_by = case when incident.opening_taken_by is not null then outcome.opening_taken_by end
from locked
join outcome on outcome.id = locked.id
where incident.id = locked.id;

-- name: list_incidents
-- The newest first, open ones or all; by whom one is closed that no recovery has closed.
select
    incident.id, incident.kind, incident.subject, incident.workspace_name, incident.title, incident.details, incident.opened_at,
    incident.closed_at,
    (
        select closure.closed_by
        from incident_closures closure
        where closure.incident_id = incident.id and closure.closed_at = incident.closed_at
        order by closure.id desc
        limit 1
    ) as closed_by
from incidents incident
where (not cast(:open_only as boolean) or incident.closed_at is null)
    and (cast(:kind as text) is null or incident.kind = cast(:kind as text))
order by incident.id desc
limit :limit;

-- name: close_by_hand
-- Closed with who did it and what it was; claim_alerts decides when its end is sent, as after a recovery.
with locked as materialized (
    select * from incidents where id = :id for update
),
closed as (
    update incidents known
    set closed_at = cast(:now as timestamptz)
    from locked
    where known.id = locked.id and locked.closed_at is null
    returning known.id
),
noted as (
    insert into incident_closures (incident_id, closed_by, closed_at, before)
    select
        locked.id, :who, :now,
        jsonb_build_object('title', locked.title, 'details', locked.details, 'opened_at', locked.opened_at)
    from closed
    join locked on locked.id = closed.id
    returning closed_by
)
select
    locked.id, locked.kind, coalesce(locked.closed_at, cast(:now as timestamptz)) as closed_at,
    coalesce((select closed_by from noted), (
        select closure.closed_by
        from incident_closures closure
        where closure.incident_id = locked.id and closure.closed_at = locked.closed_at
        limit 1
    )) as closed_by,
    exists (select from closed) as changed
from locked;

-- name: snooze
-- Put off until then, or not any more; one that is over stays as it is.
with locked as materialized (
    select * from incidents where id = :id for update
),
changed as (
    update incidents known
    set snoozed_until = cast(:until as timestamptz), snoozed_by = cast(:who as text)
    from locked
    where known.id = locked.id and locked.closed_at is null
    returning known.id
)
select
    locked.id, locked.kind,
    case when changed.id is null then locked.snoozed_until else cast(:until as timestamptz) end as snoozed_until,
    case when changed.id is null then locked.snoozed_by else cast(:who as text) end as snoozed_by,
    changed.id is not null as changed
from locked
left join changed on changed.id = locked.id;
