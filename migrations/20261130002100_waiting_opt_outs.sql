-- An opt-out whose person or address is not known in full waits until it is, and mutes the numbers that it may mean meanwhile.
set local lock_timeout = '5s';
select remember_tables();

create table if not exists waiting_opt_outs (
    id uuid primary key default gen_random_uuid(),
    source text not null,
    source_event text not null,
    channel text not null check (channel in ('email', 'sms')),
    address text,
    number_end text,
    source_person text,
    customer_id uuid,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null default clock_timestamp(),
    looked_at timestamptz,
    org_id uuid
);
create unique index if not exists idx_waiting_opt_outs_event on waiting_opt_outs (source, source_event);
create index if not exists idx_waiting_opt_outs_person on waiting_opt_outs (source, source_person);
create index if not exists idx_waiting_opt_outs_address on waiting_opt_outs (address);
create index if not exists idx_waiting_opt_outs_number_end on waiting_opt_outs (number_end);
create index if not exists idx_waiting_opt_outs_customer on waiting_opt_outs (customer_id);
select secure_new_table('waiting_opt_outs');

comment on table waiting_opt_outs is
    'Opt-outs that are not in the ledger for everybody they concern: the number lacks its country, or the person is not known yet.';
comment on column waiting_opt_outs.address is 'In its one form; null where it is not known. The ledger has it then, for the default organization.';
comment on column waiting_opt_outs.number_end is
    'The last digits (6 to 9) of a number without its country: texts to numbers that end in them are refused while it waits.';
comment on column waiting_opt_outs.source_person is 'How the source names the person: the contact of Mautic, workspace and lead of EmailBison.';
comment on column waiting_opt_outs.customer_id is 'The customer whose it is, or whom the event names; null: not known. No reference: there may be none.';
comment on column waiting_opt_outs.org_id is 'Of the workspace that reported it; null: that of the customer.';
comment on column waiting_opt_outs.looked_at is 'When it was last looked at in vain: others come first then.';

-- The one question before anything is sent: may this person be written to at this address? Null `suppressed_by`: yes. Its words
-- are the ledger's (erased, complaint, opt_out, hard_bounce); `known_from` says where it stands: the ledger, the contact (an
-- opt-out at a former address), a customer with that address (who opted out, may not be contacted, or whose address is invalid),
-- or an opt-out that waits and may be this number's; a later consent for the number lifts that.
-- `wanted_contact` is null for somebody who is no contact. Like suppression() it runs by indexes, inlined into the caller's query.
create or replace function recipient_suppression(
    wanted_org uuid, wanted_channel text, wanted_address text, wanted_contact uuid
) returns table (suppressed_by text, known_from text)
language sql stable
as $$
    select
        case
            when ledger.suppressed_by in ('erased', 'complaint', 'opt_out') then ledger.suppressed_by
            when person.is_out or customer.is_out or waiting.is_out then 'opt_out'
            when ledger.suppressed_by is not null or customer.is_invalid then 'hard_bounce'
        end,
        case
            when ledger.suppressed_by in ('erased', 'complaint', 'opt_out') then 'ledger'
            when person.is_out then 'contact'
            when customer.is_out then 'customer'
            when waiting.is_out then 'waiting'
            when ledger.suppressed_by is not null then 'ledger'
            when customer.is_invalid then 'customer'
        end
    from (select consent_key(wanted_channel, wanted_address) as address) wanted
    left join lateral suppression(wanted_org, wanted_channel, wanted.address) ledger on true
    cross join lateral (
        select exists (
            select
            from contact_opt_outs stamp
            where stamp.contact_id = wanted_contact and stamp.channel = wanted_channel
                and stamp.opted_out_at >= coalesce(ledger.consented_at, '-infinity')
        ) as is_out
    ) person
    cross join lateral (
        select
            coalesce(bool_or(
                coalesce(profile.org_id, default_org_id()) = wanted_org
                and (
                    profile.do_not_contact is true
                    or wanted_channel = 'email' and profile.opted_out_at >= coalesce(ledger.consented_at, '-infinity')
                )
            ), false) as is_out,
            -- An address that bounced is dead for everybody.
            coalesce(bool_or(found.is_invalid), false) as is_invalid
        from (
            select mail.customer_id, mail.is_valid is false as is_invalid
            from customer_emails mail
            where wanted_channel = 'email' and normalise_address(mail.email) = wanted.address
            union all
            select phone.customer_id, false
            from customer_phones phone
            where wanted_channel = 'sms' and normalise_phone(phone.phone_e164) = wanted.address
        ) found
        join customer_profiles profile on profile.id = found.customer_id
    ) customer
    cross join lateral (
        -- Only text messages: whoever leaves them by a number without its country may have any number that ends in it.
        select wanted_channel = 'sms' and exists (
            select
            from waiting_opt_outs opt_out
            where opt_out.channel = 'sms' and opt_out.occurred_at >= coalesce(ledger.consented_at, '-infinity')
                and (
                    opt_out.address = wanted.address
                    or opt_out.number_end in (
                        right(wanted.address, 6), right(wanted.address, 7), right(wanted.address, 8), right(wanted.address, 9)
                    )
                    or opt_out.customer_id in (
                        select phone.customer_id from customer_phones phone where normalise_phone(phone.phone_e164) = wanted.address
                    )
                )
        ) as is_out
    ) waiting
$$;
