-- What a bulk change of addresses pays for people who opted out: an insert looks its customers up in a small index, and an update
-- that changes no address pays next to nothing.
set local lock_timeout = '5s';

create or replace function note_address_opt_out() returns trigger
language plpgsql security definer set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off
    set enable_mergejoin = off
as $$
declare
    muted jsonb;
begin
    if tg_level = 'ROW' then
        select jsonb_agg(jsonb_build_object('org_id', profile.org_id, 'email', new.email, 'at', profile.opted_out_at)) into muted
        from customer_profiles profile
        where profile.id = new.customer_id and profile.opted_out_at is not null;
    else
        select jsonb_agg(jsonb_build_object('org_id', profile.org_id, 'email', mail.email, 'at', profile.opted_out_at)) into muted
        from after_rows mail
        join customer_profiles profile on profile.id = mail.customer_id and profile.opted_out_at is not null;
    end if;
    if muted is null then
        return null;
    end if;
    insert into consent_events (org_id, channel, address, kind, source, occurred_at)
    select owner.org_id, 'email', owner.address, 'opt_out', 'crm', max(owner.opted_out_at)
    from (
        select
            coalesce(org_id, default_org_id()) as org_id, normalise_address(email) as address,
            least(at, clock_timestamp()) as opted_out_at
        from jsonb_to_recordset(muted) as person (org_id uuid, email text, at timestamptz)
    ) owner
    where owner.address is not null
        and not exists (
            select
            from consent_events known
            where known.channel = 'email' and known.address = owner.address and known.org_id = owner.org_id
                and (known.kind = 'opt_out' or known.kind = 'consent')
                and consent_effective_at(known.occurred_at, known.recorded_at) >= owner.opted_out_at
        )
    group by owner.org_id, owner.address;
    return null;
end
$$;

create or replace trigger note_address_opt_out_update after update on customer_emails
    for each row
    when (old.email is distinct from new.email or old.customer_id is distinct from new.customer_id)
    execute function note_address_opt_out();
