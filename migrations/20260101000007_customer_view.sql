-- M2: customers as the CRM shows them, and the same rows, nobody left out, as the Mautic sync reads them.
set local lock_timeout = '5s';

create index if not exists idx_customer_emails_normalised on customer_emails (normalise_address(email));
create index if not exists idx_customer_engagement_metrics_last_order on customer_engagement_metrics (last_order_at);

-- An older view of that name may have other columns, and other views on it: it steps aside instead of being dropped.
do $$
begin
    if to_regclass('customers_crm_v') is not null and not exists (
        select from pg_attribute
        where attrelid = to_regclass('customers_crm_v') and attname = 'mautic_contact_id' and not attisdropped
    ) then
        alter view customers_crm_v rename to customers_crm_v_before_crm_relay;
    end if;
end
$$;

create or replace view customers_crm_v with (security_invoker = true) as
select
    profile.id,
    mail.email,
    profile.first_name,
    profile.last_name,
    profile.canonical_full_name,
    phone.mobile,
    phone.landline,
    phone.phone,
    place.address_line1,
    place.address_line2,
    place.address,
    place.suburb,
    place.city,
    place.state,
    place.postcode,
    place.country,
    place.location,
    null::text as company,
    null::text as age_band,
    profile.date_of_birth,
    profile.marketing_opt_in,
    metrics.lifetime_orders as total_orders,
    metrics.lifetime_net as total_spent,
    metrics.last_order_at as last_order_date,
    metrics.most_recent_event_id as last_event_id,
    metrics.most_recent_event_name as last_event_name,
    case
        when profile.lead_score >= 20 then 'vip'
        when profile.lead_score >= 15 then 'regular'
        when metrics.lifetime_orders = 1 then 'new'
        when metrics.last_order_at < now() - interval '180 days' then 'inactive'
        else 'regular'
    end as customer_segment,
    metrics.preferred_venue,
    null::text as source,
    status.mautic_contact_id,
    case
        when status.sync_error is not null then 'error'
        when status.last_synced_at is not null then 'synced'
        else 'pending'
    end as mautic_sync_status,
    status.last_synced_at as mautic_last_sync,
    profile.lead_score,
    profile.rfm_recency,
    profile.rfm_frequency,
    profile.rfm_monetary,
    profile.last_scored_at,
    profile.created_at,
    profile.updated_at,
    coalesce(metrics.first_seen_at, profile.created_at) as customer_since,
    membership.customer_segments
from customer_profiles profile
left join lateral (
    -- The primary address, else the one known longest.
    select email
    from customer_emails
    where customer_id = profile.id
    order by is_primary is true desc, first_seen_at, id
    limit 1
) mail on true
left join lateral (
    select
        max(phone_e164) filter (where is_primary is true) as mobile,
        max(phone_e164) filter (where is_primary is false) as landline,
        (array_agg(phone_e164 order by is_primary desc, first_seen_at, id))[1] as phone
    from customer_phones
    where customer_id = profile.id
) phone on true
left join lateral (
    select
        line_1 as address_line1,
        line_2 as address_line2,
        concat_ws(' ', line_1, line_2) as address,
        suburb,
        city,
        state,
        postcode,
        country,
        concat_ws(', ', nullif(suburb, ''), nullif(state, ''), nullif(country, '')) as location
    from customer_addresses
    where customer_id = profile.id and is_primary is true
    order by id
    limit 1
) place on true
left join customer_engagement_metrics metrics on metrics.customer_id = profile.id
left join mautic_sync_status status on status.customer_id = profile.id
left join lateral (
    select coalesce(array_agg(distinct segment.slug order by segment.slug), '{}') as customer_segments
    from customer_segment_links link
    join segments segment on segment.id = link.segment_id
    where link.customer_id = profile.id
) membership on true
where profile.do_not_contact is not true;

-- What Mautic should know of a customer. Unlike the CRM's view it hides nobody: who may not be contacted, bounced or has no
-- address any more must be told to Mautic, not forgotten there. `dnc_reason` is Mautic's number: 1 unsubscribed, 2 bounced,
-- 3 manual; null where nothing speaks against a mail. `fingerprint` covers every column that is mapped.
create or replace view mautic_sync_source with (security_invoker = true) as
select
    wanted.*,
    md5(concat_ws(
        E'\x1f',
        wanted.email, wanted.dnc_reason, wanted.consented_at is not null, wanted.do_not_contact,
        -- concat_ws leaves nulls out: a marker keeps neighbours from changing places unseen.
        coalesce(wanted.first_name, '~'), coalesce(wanted.last_name, '~'), coalesce(wanted.mobile, '~'),
        coalesce(wanted.landline, '~'), coalesce(wanted.address_line1, '~'), coalesce(wanted.address_line2, '~'),
        coalesce(wanted.suburb, '~'), coalesce(wanted.state, '~'), coalesce(wanted.postcode, '~'), coalesce(wanted.country, '~'),
        wanted.customer_segment, coalesce(wanted.lead_score::text, '~'), coalesce(wanted.total_orders::text, '~'),
        coalesce(trim_scale(wanted.total_spent)::text, '~'), coalesce(extract(epoch from wanted.last_order_date)::text, '~'),
        coalesce(wanted.last_event_name, '~'), coalesce(wanted.preferred_venue, '~'),
        coalesce(wanted.marketing_opt_in::text, '~'), extract(epoch from wanted.customer_since),
        array_to_string(wanted.customer_segments, ',')
    )) as fingerprint
from (
    select
        profile.id as customer_id,
        profile.created_at,
        mail.email,
        normalise_address(mail.email) as address,
        profile.do_not_contact is true as do_not_contact,
        case
            when profile.do_not_contact is true then 3
            when consent.suppressed_by in ('opt_out', 'complaint', 'erased') then 1
            when profile.opted_out_at > coalesce(consent.consented_at, '-infinity') then 1
            when consent.suppressed_by = 'hard_bounce' or mail.is_valid is false then 2
        end as dnc_reason,
        consent.consented_at,
        profile.first_name,
        profile.last_name,
        phone.mobile,
        phone.landline,
        place.line_1 as address_line1,
        place.line_2 as address_line2,
        place.suburb,
        place.state,
        place.postcode,
        place.country,
        case
            when profile.lead_score >= 20 then 'vip'
            when profile.lead_score >= 15 then 'regular'
            when metrics.lifetime_orders = 1 then 'new'
            when metrics.last_order_at < now() - interval '180 days' then 'inactive'
            else 'regular'
        end as customer_segment,
        profile.lead_score,
        metrics.lifetime_orders as total_orders,
        metrics.lifetime_net::numeric as total_spent,
        metrics.last_order_at as last_order_date,
        metrics.most_recent_event_name as last_event_name,
        metrics.preferred_venue,
        profile.marketing_opt_in,
        coalesce(metrics.first_seen_at, profile.created_at) as customer_since,
        membership.customer_segments
    from customer_profiles profile
    left join lateral (
        select email, is_valid
        from customer_emails
        where customer_id = profile.id
        order by is_primary is true desc, first_seen_at, id
        limit 1
    ) mail on true
    left join lateral (
        select
            max(phone_e164) filter (where is_primary is true) as mobile,
            max(phone_e164) filter (where is_primary is false) as landline
        from customer_phones
        where customer_id = profile.id
    ) phone on true
    left join lateral (
        select line_1, line_2, suburb, state, postcode, country
        from customer_addresses
        where customer_id = profile.id and is_primary is true
        order by id
        limit 1
    ) place on true
    left join customer_engagement_metrics metrics on metrics.customer_id = profile.id
    left join lateral (
        select coalesce(array_agg(distinct segment.slug order by segment.slug), '{}') as customer_segments
        from customer_segment_links link
        join segments segment on segment.id = link.segment_id
        where link.customer_id = profile.id
    ) membership on true
    left join lateral suppression(
        coalesce(profile.org_id, default_org_id()), 'email', normalise_address(mail.email)
    ) consent on true
) wanted;

revoke all on customers_crm_v, mautic_sync_source from public, anon, authenticated;
grant select on customers_crm_v to authenticated, service_role, crm_relay;
grant select on mautic_sync_source to service_role, crm_relay;

comment on view customers_crm_v is
    'One row a customer who may be contacted, with contact data, metrics, segment and what Mautic knows.';
comment on view mautic_sync_source is
    'One row a customer, nobody left out: what Mautic should know, with a fingerprint of all mapped columns.';
