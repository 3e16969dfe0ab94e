-- One form for every way in which an address is written: display names, mailto:, quotes, commas, invisible characters and the
-- domain's final dot no longer make a second person of it. Two addresses in one text are none.
set local lock_timeout = '5s';

-- Rows whose form may change, with the form that the indexes know. Nearly all addresses are plain and left out.
create temporary table former_forms on commit drop as
select stored.index_name, stored.address, normalise_address(stored.address) as form
from (
    select 'idx_customer_emails_normalised' as index_name, email as address from customer_emails
    union all select 'idx_contacts_normalised', email from contacts
    union all select 'idx_prospects_normalised', contact_email from prospects
    union all select 'idx_inbox_items_from', from_address from inbox_items
    union all select 'idx_client_leads_email', lead_email from client_leads
    union all select 'idx_sender_emails_address', email_address from sender_emails_cache
    union all select 'idx_emails_inbound_from', from_email from emails where direction = 'inbound'
    union all select 'idx_email_identities_address', from_address from email_identities
) stored
where stored.address !~ '^[A-Za-z0-9][A-Za-z0-9._+-]*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$';

-- What is not plain ASCII. With its owner's rights, so that a client role needs EXECUTE on this function and the next one only.
create or replace function normalise_unicode_address(address text) returns text
language plpgsql immutable strict parallel safe security definer set search_path = public, pg_temp
as $$
declare
    before constant text := '^(mailto:|[\u0001-\u0020\u007f-\u009f\u1680\u2028\u2029,;''"])+';
    behind constant text := '[\u0001-\u0020\u007f-\u009f\u1680\u2028\u2029,;''".。]+$';
    folded text;
    domain text;
begin
    if length(address) > 1000 then
        return null;
    end if;
    folded := case
        when octet_length(address) = length(address) then lower(address collate "C")
        -- Soft hyphens, zero-width spaces, direction and byte order marks.
        else fold_letters(
            regexp_replace(
                normalize(address, NFKC), '[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]', '', 'g'
            )
        )
    end;
    folded := regexp_replace(regexp_replace(folded, before, ''), behind, '');
    if folded ~ '^[^<>]*<[^<>]*>$' then
        folded := regexp_replace(regexp_replace(substring(folded from '<([^<>]*)>$'), before, ''), behind, '');
    end if;
    domain := substring(folded from '@([^@]*)$');
    if domain is null or folded ~ '[\u0001-\u0020\u007f-\u009f\u1680\u2028\u2029,;<>]' then
        return null;
    end if;
    if length(domain) not between 1 and 253 then
        return folded;
    end if;
    return left(folded, length(folded) - length(domain)) || (
        select string_agg(
            case when octet_length(label) = length(label) then label else 'xn--' || punycode(label) end, '.' order by place
        )
        from unnest(string_to_array(translate(domain, '。', '.'), '.')) with ordinality as labels (label, place)
    );
end
$$;

-- A plain address stays one expression that the planner inlines; the rest is paid by the few rows that need it. Names are
-- qualified because PostgreSQL reads index expressions with an empty search_path.
create or replace function normalise_address(address text) returns text
language sql immutable parallel safe
as $$
    select case
        when length(address) <= 1000
            and lower(address collate "C") ~ '^[a-z0-9][a-z0-9._+-]*@[a-z0-9-]+(\.[a-z0-9-]+)*$' then lower(address collate "C")
        else public.normalise_unicode_address(address)
    end
$$;
comment on function normalise_address(text) is
    'The one form of an address: lower-case, domain in ASCII (IDNA) without its final dot; null for what is no single address.';

-- Sessions keep the expression of an index with the function's former body inlined. A change to the index's entry in the catalog,
-- which changes nothing else, makes every session read it again.
alter index if exists idx_customer_emails_normalised reset (fillfactor);
alter index if exists idx_contacts_normalised reset (fillfactor);
alter index if exists idx_prospects_normalised reset (fillfactor);
alter index if exists idx_inbox_items_from reset (fillfactor);
alter index if exists idx_client_leads_email reset (fillfactor);
alter index if exists idx_sender_emails_address reset (fillfactor);
alter index if exists idx_emails_inbound_from reset (fillfactor);
alter index if exists idx_email_identities_address reset (fillfactor);

-- An index that holds a row whose form has changed is built as a new one: in this session REINDEX would still
-- use the former body.
do $$
declare
    stale text;
begin
    for stale in
        select distinct index_name from former_forms where form is distinct from normalise_address(address)
    loop
        begin
            execute replace(pg_get_indexdef(stale::regclass), stale, stale || '_made_again');
            execute format('drop index %I', stale);
            execute format('alter index %I rename to %I', stale || '_made_again', stale);
        exception when unique_violation then
            raise warning '% has two rows that are one address; it keeps both, each under its older form', stale;
        end;
    end loop;
end
$$;

-- The forms that were stored. Where a person is there under both forms already, the rows stay as they are.
update topic_opt_outs refused
set address = normalise_address(refused.address)
where refused.address !~ '^[a-z0-9][a-z0-9._+-]*@[a-z0-9-]+(\.[a-z0-9-]+)*$'
    and normalise_address(refused.address) <> refused.address
    and not exists (
        select
        from topic_opt_outs twin
        where twin.org_id = refused.org_id and twin.topic = refused.topic
            and normalise_address(twin.address) = normalise_address(refused.address)
            and (twin.address = normalise_address(refused.address) or twin.address < refused.address)
    );
update campaign_enrollments enrollment
set address = normalise_address(enrollment.address)
where enrollment.address !~ '^[a-z0-9][a-z0-9._+-]*@[a-z0-9-]+(\.[a-z0-9-]+)*$'
    and normalise_address(enrollment.address) <> enrollment.address
    and 1 = (
        select count(*)
        from campaign_enrollments other
        where other.campaign_id = enrollment.campaign_id and normalise_address(other.address) = normalise_address(enrollment.address)
    );
update email_sends
set address = normalise_address(address)
where address !~ '^[a-z0-9][a-z0-9._+-]*@[a-z0-9-]+(\.[a-z0-9-]+)*$' and normalise_address(address) <> address;
update customer_email_engagement
set address = normalise_address(address)
where address !~ '^[a-z0-9][a-z0-9._+-]*@[a-z0-9-]+(\.[a-z0-9-]+)*$' and normalise_address(address) <> address;

-- The ledger's lines. What stands twice by now gives up its source's id, of which there may be one; nothing is deleted.
select set_config('app.erasure', 'on', true);
with odd as (
    select id, consent_key(channel, address) as form
    from consent_events
    where case channel
            when 'email' then
                address !~ '^[a-z0-9][a-z0-9._+-]*@[a-z0-9-]+(\.[a-z0-9-]+)*$' and address !~ '^sha256:[0-9a-f]{64}$'
            else address !~ '^\+[1-9][0-9]{6,14}$' or address ~ '^\+[0-9]{2,3}0'
        end
        and consent_key(channel, address) <> address
)
update consent_events event
set
    address = odd.form,
    source_event = case when not exists (
        select
        from consent_events twin
        where twin.source = event.source and twin.source_event = event.source_event and twin.channel = event.channel
            and twin.kind = event.kind and twin.org_id = event.org_id
            and (
                twin.address = odd.form
                or twin.id < event.id and exists (select from odd other where other.id = twin.id and other.form = odd.form)
            )
    ) then event.source_event end
from odd
where event.id = odd.id;
select set_config('app.erasure', 'off', true);
