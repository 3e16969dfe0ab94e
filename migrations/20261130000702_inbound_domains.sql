-- One domain for replies belongs to one organization: mail that comes to it without a token has no other sign of whose it is.
set local lock_timeout = '5s';

create or replace function refuse_shared_inbound_domain() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    -- Two organizations that save the same domain at once take turns.
    perform pg_advisory_xact_lock(hashtextextended(lower(btrim(new.inbound_domain)), 52));
    if exists (
        select
        from email_identities other
        where lower(btrim(other.inbound_domain)) = lower(btrim(new.inbound_domain)) and other.org_id <> new.org_id
    ) then
        raise exception 'inbound_domain belongs to another organization: replies without a token could not be told apart'
            using errcode = 'check_violation', constraint = 'email_identities_inbound_domain_of_one_organization';
    end if;
    return new;
end
$$;
-- What was saved before stays; mail to such a domain is kept for nobody until one of the organizations gives it up.
create or replace trigger refuse_shared_inbound_domain
    before insert or update of inbound_domain, org_id on email_identities
    for each row when (new.inbound_domain is not null) execute function refuse_shared_inbound_domain();
-- A trigger runs its function whoever writes; nobody calls one.
revoke all on function refuse_shared_inbound_domain() from public, anon, authenticated, service_role, crm_relay;
