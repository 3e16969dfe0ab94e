-- Characters that nobody sees make no second person of an address: all that Unicode calls ignorable are dropped, and joiners
-- (U+200C and U+200D) but between letters of scripts that need them.
set local lock_timeout = '5s';

-- Rows whose form may change, with the form that the indexes know. An address of ASCII never changes.
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
    union all select 'idx_pitches_address', address from pitches
) stored
where octet_length(stored.address) <> length(stored.address);

-- The rule of rules/addresses/mailbox.py. What is not seen goes first: a letter and its accent compose only where nothing is
-- between them. With its owner's rights, so that a client role needs EXECUTE on this function and the next one only.
create or replace function normalise_unicode_address(address text) returns text
language plpgsql immutable strict parallel safe security definer set search_path = public, pg_temp
as $$
declare
    before constant text := '^(mailto:|[\u0001-\u0020\u007f-\u009f\u1680\u2028\u2029,;''"])+';
    behind constant text := '[\u0001-\u0020\u007f-\u009f\u1680\u2028\u2029,;''".。]+$';
    -- Default_Ignorable_Code_Point, but for the joiners.
    unseen constant text := '[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164'
        '\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+';
    joined constant text := '\u0600-\u10ff\u1200-\u167f\u1700-\u1cff\ua800-\uabff\U00010a00-\U00011fff';
    folded text;
    domain text;
begin
    if length(address) > 1000 then
        return null;
    end if;
    folded := case
        when octet_length(address) = length(address) then lower(address collate "C")
        else fold_letters(
            regexp_replace(
                regexp_replace(address, unseen, '', 'g'),
                '(?<![' || joined || '])[\u200c\u200d]|[\u200c\u200d](?![' || joined || '])', '', 'g'
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

-- Sessions keep the expression of an index as it was. A change to the index's entry in the catalog, which changes nothing else,
-- makes every session read it again.
alter index if exists idx_customer_emails_normalised reset (fillfactor);
alter index if exists idx_contacts_normalised reset (fillfactor);
alter index if exists idx_prospects_normalised reset (fillfactor);
alter index if exists idx_inbox_items_from reset (fillfactor);
alter index if exists idx_client_leads_email reset (fillfactor);
alter index if exists idx_sender_emails_address reset (fillfactor);
alter index if exists idx_emails_inbound_from reset (fillfactor);
alter index if exists idx_email_identities_address reset (fillfactor);
alter index if exists idx_pitches_address reset (fillfactor);

-- An index that holds a row whose form has changed is built as a new one: in this session REINDEX would still use the former body.
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
where octet_length(refused.address) <> length(refused.address)
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
where octet_length(enrollment.address) <> length(enrollment.address)
    and normalise_address(enrollment.address) <> enrollment.address
    and 1 = (
        select count(*)
        from campaign_enrollments other
        where other.campaign_id = enrollment.campaign_id and normalise_address(other.address) = normalise_address(enrollment.address)
    );
update email_sends
set address = normalise_address(address)
where octet_length(address) <> length(address) and normalise_address(address) <> address;
update customer_email_engagement
set address = normalise_address(address)
where octet_length(address) <> length(address) and normalise_address(address) <> address;
update waiting_opt_outs
set address = normalise_address(address)
where channel = 'email' and octet_length(address) <> length(address) and normalise_address(address) <> address;

-- The ledger's lines. What stands twice by now gives up its source's id, of which there may be one; nothing is deleted.
select set_config('app.erasure', 'on', true);
with odd as (
    select id, consent_key(channel, address) as form
    from consent_events
    where channel = 'email' and octet_length(address) <> length(address) and consent_key(channel, address) <> address
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
