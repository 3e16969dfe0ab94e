-- The one suppression ledger of every channel: append-only events, and the current state as a view.
set local lock_timeout = '5s';

-- Trim, lower-case, and a domain in ASCII; null for what has no @. Python's crm_relay.consent.address does the same.
create or replace function normalise_address(address text) returns text
language sql immutable parallel safe
as $$
    select case when position('@' in address) > 0 then lower(btrim(address, E' \t\r\n')) end
$$;

create table if not exists consent_events (
    id bigint generated always as identity primary key,
    org_id uuid not null default default_org_id(),
    channel text not null check (channel in ('email', 'sms')),
    address text not null,
    kind text not null check (kind in ('opt_out', 'hard_bounce', 'complaint', 'erased', 'consent')),
    source text not null,
    source_event text,
    evidence text,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    check (kind <> 'consent' or evidence is not null)
);
create index if not exists idx_consent_events_address on consent_events (channel, address, id);
-- One event of a source counts once, in whatever order and how often it comes.
create unique index if not exists idx_consent_events_source
    on consent_events (source, source_event, channel, address) where source_event is not null;

-- Append-only: the ledger is evidence. Erasure replaces an address by its salted hash and is the one exception.
create or replace function refuse_ledger_change() returns trigger
language plpgsql
as $$
begin
    if current_setting('app.erasure', true) = 'on' then
        return coalesce(new, old);
    end if;
    raise exception 'consent_events is append-only' using errcode = 'check_violation';
end
$$;
create or replace trigger consent_events_append_only before update or delete on consent_events
    for each row execute function refuse_ledger_change();

-- Permanent bounces and complaints hold for the whole installation, opt-outs for their organization. Among what holds, the
-- events since the last recorded consent count: only such a consent clears an opt-out.
create or replace view consent_state with (security_invoker = true) as
select
    org.id as org_id,
    event.channel,
    event.address,
    (array_agg(event.kind order by array_position(array['erased', 'complaint', 'opt_out', 'hard_bounce'], event.kind))
        filter (where event.kind <> 'consent' and event.occurred_at > coalesce(cleared.at, '-infinity')))[1] as suppressed_by,
    cleared.at as consented_at
from organizations org
join consent_events event on event.org_id = org.id or event.kind in ('hard_bounce', 'complaint')
left join lateral (
    select max(granted.occurred_at) as at
    from consent_events granted
    where granted.channel = event.channel and granted.address = event.address
        and granted.org_id = org.id and granted.kind = 'consent'
) cleared on true
group by org.id, event.channel, event.address, cleared.at;

-- The same for one address, as a function that the planner can run by the index.
create or replace function suppression(wanted_org uuid, wanted_channel text, wanted_address text)
returns table (suppressed_by text, consented_at timestamptz)
language sql stable
as $$
    with cleared as (
        select max(occurred_at) as at
        from consent_events
        where channel = wanted_channel and address = wanted_address and org_id = wanted_org and kind = 'consent'
    )
    select
        (
            select event.kind
            from consent_events event
            where event.channel = wanted_channel
                and event.address = wanted_address
                and event.kind <> 'consent'
                and (event.org_id = wanted_org or event.kind in ('hard_bounce', 'complaint'))
                and event.occurred_at > coalesce(cleared.at, '-infinity')
            order by array_position(array['erased', 'complaint', 'opt_out', 'hard_bounce'], event.kind)
            limit 1
        ),
        cleared.at
    from cleared
$$;

select secure_table('consent_events', 'org_id = (select current_org())');
revoke all on consent_state from public, anon, authenticated;
grant select on consent_state to authenticated, service_role, crm_relay;

comment on table consent_events is
    'Append-only ledger of opt-outs, permanent bounces, complaints, erasures and recorded consents, by normalised address.';

-- An opt-out belongs to the person as well as to the address: it has to survive a change of address.
alter table customer_profiles add column if not exists opted_out_at timestamptz;
comment on column customer_profiles.opted_out_at is
    'Set with the ledger entry when this customer opted out; cleared only by a recorded consent.';

-- What the installation's own application says in its columns goes into the ledger in the same transaction.
create or replace function note_profile_opt_out() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    -- A webhook that sets the columns has stamped the profile and written its own event already.
    if new.opted_out_at is not distinct from old.opted_out_at then
        new.opted_out_at := clock_timestamp();
        insert into consent_events (org_id, channel, address, kind, source, occurred_at)
        select distinct coalesce(new.org_id, default_org_id()), 'email', normalise_address(email), 'opt_out', 'crm', clock_timestamp()
        from customer_emails
        where customer_id = new.id and normalise_address(email) is not null;
    end if;
    return new;
end
$$;
create or replace trigger note_profile_opt_out
    before update on customer_profiles
    for each row
    when (
        (old.marketing_opt_in is true and new.marketing_opt_in is false)
        or (old.do_not_contact is not true and new.do_not_contact is true)
    )
    execute function note_profile_opt_out();
