-- Views of customers. Written by `make schema`: change it by a migration.


create view customers_crm_v with (security_invoker = true) as
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
        when metrics.last_order_at < (now() - '180 days'::interval) then 'inactive'
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
    select customer_emails.email
    from customer_emails
    where customer_emails.customer_id = profile.id
    order by (customer_emails.is_primary is true) desc, customer_emails.first_seen_at, customer_emails.id
    limit 1
) mail on true
left join lateral (
    select
        max(customer_phones.phone_e164) filter (where customer_phones.is_primary is true) as mobile,
        max(customer_phones.phone_e164) filter (where customer_phones.is_primary is false) as landline,
        (array_agg(customer_phones.phone_e164 order by customer_phones.is_primary desc, customer_phones.first_seen_at,
            customer_phones.id))[1] as phone
    from customer_phones
    where customer_phones.customer_id = profile.id
) phone on true
left join lateral (
    select
        customer_addresses.line_1 as address_line1,
        customer_addresses.line_2 as address_line2,
        concat_ws(' '::text, customer_addresses.line_1, customer_addresses.line_2) as address,
        customer_addresses.suburb,
        customer_addresses.city,
        customer_addresses.state,
        customer_addresses.postcode,
        customer_addresses.country,
        concat_ws(', '::text, nullif(customer_addresses.suburb, ''), nullif(customer_addresses.state, ''),
            nullif(customer_addresses.country, '')) as location
    from customer_addresses
    where customer_addresses.customer_id = profile.id and customer_addresses.is_primary is true
    order by customer_addresses.id
    limit 1
) place on true
left join customer_engagement_metrics metrics on metrics.customer_id = profile.id
left join mautic_sync_status status on status.customer_id = profile.id
left join lateral (
    select coalesce(array_agg(distinct segment.slug order by segment.slug), '{}'::text[]) as customer_segments
    from customer_segment_links link
    join segments segment on segment.id = link.segment_id
    where link.customer_id = profile.id
) membership on true
where profile.do_not_contact is not true;

comment on view customers_crm_v is 'One row a customer who may be contacted, with contact data, metrics, segment and what Mautic knows.';
grant select on customers_crm_v to authenticated, crm_relay, service_role;


create view mautic_sync_source with (security_invoker = true) as
select
    customer_id,
    created_at,
    email,
    address,
    do_not_contact,
    dnc_reason,
    consented_at,
    first_name,
    last_name,
    mobile,
    landline,
    address_line1,
    address_line2,
    suburb,
    state,
    postcode,
    country,
    customer_segment,
    lead_score,
    total_orders,
    total_spent,
    last_order_date,
    last_event_name,
    preferred_venue,
    marketing_opt_in,
    customer_since,
    customer_segments,
    md5(concat_ws(''::text, email, dnc_reason, consented_at is not null, do_not_contact, coalesce(first_name, '~'),
        coalesce(last_name, '~'), coalesce(mobile, '~'), coalesce(landline, '~'), coalesce(address_line1, '~'),
        coalesce(address_line2, '~'), coalesce(suburb, '~'), coalesce(state, '~'), coalesce(postcode, '~'),
        coalesce(country, '~'), customer_segment, coalesce(lead_score::text, '~'), coalesce(total_orders::text, '~'),
        coalesce(trim_scale(total_spent)::text, '~'::text),
        coalesce(extract(epoch from last_order_date)::text, '~'::text), coalesce(last_event_name, '~'),
        coalesce(preferred_venue, '~'), coalesce(marketing_opt_in::text, '~'), extract(epoch from customer_since),
        array_to_string(customer_segments, ','::text))) as fingerprint
from (
    select
        profile.id as customer_id,
        profile.created_at,
        mail.email,
        normalise_address(mail.email) as address,
        profile.do_not_contact is true or not consent.suppressed_by is distinct from 'erased' as do_not_contact,
        case
            when profile.do_not_contact is true then 3
            when consent.suppressed_by in ('opt_out', 'complaint', 'erased') then 1
            when profile.opted_out_at >= coalesce(consent.consented_at, '-infinity'::timestamptz) then 1
            when consent.suppressed_by = 'hard_bounce' or mail.is_valid is false then 2
            else null::integer
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
            when metrics.last_order_at < (now() - '180 days'::interval) then 'inactive'
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
        select
            customer_emails.email,
            customer_emails.is_valid
        from customer_emails
        where customer_emails.customer_id = profile.id
        order by (customer_emails.is_primary is true) desc, customer_emails.first_seen_at, customer_emails.id
        limit 1
    ) mail on true
    left join lateral (
        select
            max(customer_phones.phone_e164) filter (where customer_phones.is_primary is true) as mobile,
            max(customer_phones.phone_e164) filter (where customer_phones.is_primary is false) as landline
        from customer_phones
        where customer_phones.customer_id = profile.id
    ) phone on true
    left join lateral (
        select
            customer_addresses.line_1,
            customer_addresses.line_2,
            customer_addresses.suburb,
            customer_addresses.state,
            customer_addresses.postcode,
            customer_addresses.country
        from customer_addresses
        where customer_addresses.customer_id = profile.id and customer_addresses.is_primary is true
        order by customer_addresses.id
        limit 1
    ) place on true
    left join customer_engagement_metrics metrics on metrics.customer_id = profile.id
    left join lateral (
        select coalesce(array_agg(distinct segment.slug order by segment.slug), '{}'::text[]) as customer_segments
        from customer_segment_links link
        join segments segment on segment.id = link.segment_id
        where link.customer_id = profile.id
    ) membership on true
    left join lateral suppression(coalesce(profile.org_id, default_org_id()), 'email'::text,
        normalise_address(mail.email)) consent(suppressed_by, consented_at) on true
) wanted;

comment on view mautic_sync_source is 'One row a customer, nobody left out: what Mautic should know, with a fingerprint of all mapped columns.';
grant select on mautic_sync_source to crm_relay, service_role;
