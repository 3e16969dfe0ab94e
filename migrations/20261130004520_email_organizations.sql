-- An e-mail that is written at the edge says to which prospect and campaign it belongs, and not to which organization: that
-- follows from them. It is never the default one, where its users would read another organization's mail.
set local lock_timeout = '5s';

create or replace function email_organization(prospect uuid, campaign uuid, direction text, sender text, receiver text) returns uuid
language sql stable
as $$
    select coalesce(
        (select org_id from prospects where id = prospect),
        (select org_id from campaigns where id = campaign),
        (
            -- Of the mailbox that it left from or came to, if that is one organization's.
            select case when count(distinct mailbox.org_id) = 1 then (array_agg(mailbox.org_id))[1] end
            from mailboxes mailbox
            where normalise_address(mailbox.email) = normalise_address(case when direction = 'inbound' then receiver else sender end)
                and mailbox.org_id is not null
        ),
        (select case when count(*) = 1 then (array_agg(id))[1] end from (select id from organizations limit 2) few)
    )
$$;
revoke all on function email_organization(uuid, uuid, text, text, text) from public, anon, authenticated;
grant execute on function email_organization(uuid, uuid, text, text, text) to service_role, crm_relay;
