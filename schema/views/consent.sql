-- Views of consent. Written by `make schema`: change it by a migration.


create view consent_state with (security_invoker = true) as
select
    org.id as org_id,
    event.channel,
    event.address,
    (array_agg(event.kind order by
        (array_position(array['erased'::text, 'complaint'::text, 'opt_out'::text, 'hard_bounce'::text], event.kind)))
        filter (where event.kind <> 'consent'
        and consent_effective_at(event.occurred_at, event.recorded_at) >=
        coalesce(cleared.at, '-infinity'::timestamptz)))[1] as suppressed_by,
    cleared.at as consented_at
from organizations org
join consent_events event on event.org_id = org.id or holds_everywhere(event.kind, event.source)
left join lateral (
    select max(consent_effective_at(granted.occurred_at, granted.recorded_at)) as at
    from consent_events granted
    where granted.channel = event.channel and granted.address = event.address and granted.org_id = org.id
        and granted.kind = 'consent'
) cleared on true
group by org.id, event.channel, event.address, cleared.at;

grant select on consent_state to authenticated, crm_relay, service_role;
