-- One form for every way in which a number is written: the zero of the area code, which is dialled inside a country only, is
-- dropped in each country that has it, and so are such prefixes of other digits, direction marks and digits of other scripts.
set local lock_timeout = '5s';

-- Rows whose form may change, with the form that the indexes know.
create temporary table former_numbers on commit drop as
select stored.index_name, stored.number, normalise_phone(stored.number) as form
from (
    select 'idx_contacts_phone' as index_name, phone as number from contacts
    union all select 'idx_customer_phones_normalised', phone_e164 from customer_phones
) stored
where stored.number !~ '^\+[1-9][0-9]{6,14}$' or stored.number ~ '^\+[0-9]{1,3}[018]';

-- As crm_relay.consent.address.normalise_phone: a test compares them by the metadata of libphonenumber. Italy keeps its zero.
create or replace function normalise_phone(number text) returns text
language sql immutable parallel safe
as $$
    select case when bare ~ '^\+[1-9][0-9]{6,14}$' then bare end
    from (
        select regexp_replace(
            regexp_replace(
                regexp_replace(
                    regexp_replace(
                        translate(number, '０１２３４５６７８９＋٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹', '0123456789+01234567890123456789'),
                        '^\s*tel:|[\u0009-\u000d\u001c-\u0020\u0085\u00a0\u00ad\u1680\u2000-\u2015\u2028-\u202f\u205f-\u2064\u2066-\u2069\u2212\u3000\ufeff().\-/]',
                        '', 'gi'
                    ),
                    '^(\+(20|27|3[1-4]|40|41|43|44|46|49|5[13458]|6[0-46]|81|82|84|86|9[0-58]|21[1238]|23[1-4]|243|249|25[0-24-6]|26[0-5]|291|353|355|358|359|370|37[3-57]|38[0-35-79]|421|423|508|59[013-68]|686|850|855|856|880|886|96[1-4]|96[67]|97[0-2]|976|977|99[4-6]))0',
                    '\1'
                ),
                '^(\+(7(?=8[0-9]{10}$)|1(?=1[0-9]{10}$)|52(?=1[0-9]{10}$)|370(?=8[0-9]{8}$)))[18]',
                '\1'
            ),
            '^(\+(36(?=06[0-9]{8,9}$)|375(?=80[0-9]{9}$)))(06|80)',
            '\1'
        ) as bare
    ) written
$$;

-- Sessions keep the expression of an index with the function's former body inlined. A change to the index's entry in the catalog,
-- which changes nothing else, makes every session read it again.
alter index if exists idx_contacts_phone reset (fillfactor);
alter index if exists idx_customer_phones_normalised reset (fillfactor);

-- An index that holds a row whose form has changed is built as a new one: in this session REINDEX would still
-- use the former body.
do $$
declare
    stale text;
begin
    for stale in
        select distinct index_name from former_numbers where form is distinct from normalise_phone(number)
    loop
        execute replace(pg_get_indexdef(stale::regclass), stale, stale || '_made_again');
        execute format('drop index %I', stale);
        execute format('alter index %I rename to %I', stale || '_made_again', stale);
    end loop;
end
$$;

-- The forms that were stored: an opt-out mutes its number in whatever form it was written.
update sms_sends
set to_number = normalise_phone(to_number)
where to_number ~ '^\+[0-9]{1,3}[018]' and normalise_phone(to_number) <> to_number;

-- What stands twice by now gives up its source's id, of which there may be one; nothing is deleted.
select set_config('app.erasure', 'on', true);
with odd as (
    select id, normalise_phone(address) as form
    from consent_events
    where channel = 'sms' and normalise_phone(address) <> address
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
