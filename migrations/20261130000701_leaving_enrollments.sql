-- Who is enrolled with an address that leaves: read at every bounce, complaint and opt-out, so its plan is kept.
set local lock_timeout = '5s';

-- It has no rule: the addresses are those of the named mails and the given ones. plpgsql keeps the plan for the session.
create or replace function leaving_enrollments(sends uuid[], email_ids text[], tokens text[], addresses text[])
returns table (id uuid, address text)
language plpgsql stable rows 5 set search_path = public, pg_temp set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    return query
    with leaving as materialized (
        select mail.address
        from email_sends mail
        where mail.id = any (sends) or mail.resend_id = any (email_ids) or mail.unsubscribe_token = any (tokens)
        union
        select unnest(addresses)
    )
    select theirs.id, leaving.address
    from leaving
    join contacts person on normalise_address(person.email) = leaving.address
    join campaign_enrollments theirs on theirs.contact_id = person.id
    union
    -- Whose address was changed since has got mail at this one.
    select mail.enrollment_id, leaving.address
    from leaving
    join email_sends mail on mail.address = leaving.address
    where mail.enrollment_id is not null;
end
$$;
revoke all on function leaving_enrollments(uuid[], text[], text[], text[]) from public, anon, authenticated;
grant execute on function leaving_enrollments(uuid[], text[], text[], text[]) to service_role, crm_relay;
