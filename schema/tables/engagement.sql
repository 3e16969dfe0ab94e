-- Tables of engagement. Written by `make schema`: change it by a migration.


create table customer_email_engagement (
    id                uuid        primary key default gen_random_uuid(),
    customer_id       uuid        references customer_profiles (id) on delete cascade,
    event_type        text        not null check (event_type in ('open', 'click', 'unsubscribe', 'bounce')),
    campaign_name     text,
    email_subject     text,
    link_url          text,
    occurred_at       timestamptz not null,
    mautic_email_id   text,
    raw_payload       jsonb,
    created_at        timestamptz default now(),
    event_key         text,
    mautic_contact_id integer,
    address           text,
    is_machine        boolean,
    verdict           text
);

comment on table customer_email_engagement is
    'Opens, clicks, unsubscribes and bounces from Mautic. customer_id is null until the contact is known here.';
comment on column customer_email_engagement.event_key is
    'Identity of the event in Mautic: a second delivery changes nothing.';
comment on column customer_email_engagement.is_machine is
    'For opens and clicks: true where a scanner or a mail proxy did it rather than a person; verdict says why.';

create index idx_customer_email_engagement_customer on customer_email_engagement (customer_id);
create unique index idx_customer_email_engagement_event on customer_email_engagement (event_key);
create index idx_customer_email_engagement_occurred on customer_email_engagement (occurred_at desc);
create index idx_customer_email_engagement_type on customer_email_engagement (event_type);
create index idx_customer_email_engagement_unmatched on customer_email_engagement (mautic_contact_id)
    where customer_id is null;

alter table customer_email_engagement enable row level security;
create policy authenticated_read on customer_email_engagement for select to authenticated
    using ((exists (select from customer_profiles owner where owner.id = customer_email_engagement.customer_id
        and owner.org_id = (select current_org()))));
create policy service_role_all on customer_email_engagement to crm_relay, service_role using (true) with check (true);

grant select on customer_email_engagement to authenticated;
grant all on customer_email_engagement to crm_relay, service_role;
