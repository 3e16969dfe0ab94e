-- Under what an address is filed, in one place for both channels.
set local lock_timeout = '5s';

-- E.164; null for anything else. The zero of `+49 (0)176 …` is dialled inside the country only; Italy keeps its own.
create or replace function normalise_phone(number text) returns text
language sql immutable parallel safe
as $$
    select case when bare ~ '^\+[1-9][0-9]{6,14}$' then bare end
    from (
        select regexp_replace(
            regexp_replace(number, '[\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000().\-/]', '', 'g'),
            '^(\+(20|27|3[1-4]|40|41|43|44|46|49|6[0-46]|81|82|84|86|9[0-58]|353|358|380|381|385|386|387|389|421|880|966|971|972))0',
            '\1'
        ) as bare
    ) written
$$;
comment on function normalise_phone(text) is 'A phone number in its international form (E.164); null for anything else.';

-- Under what the ledger files an address of that channel. What has no form there is filed as it is: a salted hash, an id.
create or replace function consent_key(channel text, address text) returns text
language sql immutable parallel safe
as $$
    select coalesce(case channel when 'email' then public.normalise_address(address) else public.normalise_phone(address) end, address)
$$;

revoke all on function consent_key(text, text), normalise_phone(text) from public, anon, authenticated;
grant execute on function consent_key(text, text) to service_role, crm_relay;
-- An index of contacts uses it, and applications write to that table.
grant execute on function normalise_phone(text) to authenticated, service_role, crm_relay;
