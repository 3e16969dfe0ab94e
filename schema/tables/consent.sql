-- Tables of consent. Written by `make schema`: change it by a migration.


create table consent_events (
    id           bigint      generated always as identity primary key,
    org_id       uuid        not null default default_org_id(),
    channel      text        not null check (channel in ('email', 'sms')),
    address      text        not null,
    kind         text        not null check (kind in ('opt_out', 'hard_bounce', 'complaint', 'erased', 'consent')),
    source       text        not null,
    source_event text,
    evidence     text,
    occurred_at  timestamptz not null,
    recorded_at  timestamptz not null default now(),
    constraint consent_events_check check (kind <> 'consent' or evidence is not null),
    constraint consent_events_readable_time
        check (occurred_at >= '0001-01-01 00:00:00+00'::timestamptz
        and occurred_at <= '9999-12-31 23:59:59.999999+00'::timestamptz)
);

comment on table consent_events is
    'Append-only ledger of opt-outs, permanent bounces, complaints, erasures and recorded consents, by normalised address.';

create index idx_consent_events_address on consent_events (channel, address, id);
create index idx_consent_events_erased on consent_events (channel, address) where kind = 'erased';
create unique index idx_consent_events_identity on consent_events (source, source_event, channel, address, kind, org_id)
    where source_event is not null;

alter table consent_events enable row level security;
create policy authenticated_read on consent_events for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on consent_events to crm_relay, service_role using (true) with check (true);

grant select on consent_events to authenticated;
grant all on consent_events to crm_relay, service_role;


create table contact_opt_outs (
    contact_id   uuid        not null references contacts (id) on delete cascade,
    channel      text        not null check (channel in ('email', 'sms')),
    opted_out_at timestamptz not null,
    primary key (contact_id, channel)
);

comment on table contact_opt_outs is
    'Contacts who opted out of a channel, at any address of theirs; cleared only by a recorded consent for the present one.';

alter table contact_opt_outs enable row level security;
create policy authenticated_read on contact_opt_outs for select to authenticated
    using ((exists (select from contacts person where person.id = contact_opt_outs.contact_id
        and person.org_id = (select current_org()))));
create policy service_role_all on contact_opt_outs to crm_relay, service_role using (true) with check (true);

grant select on contact_opt_outs to authenticated;
grant all on contact_opt_outs to crm_relay, service_role;


create table topic_opt_outs (
    org_id      uuid        not null references organizations (id) on delete cascade,
    address     text        not null,
    topic       text        not null,
    source      text        not null,
    occurred_at timestamptz not null,
    primary key (org_id, address, topic)
);

comment on table topic_opt_outs is
    'Who wants no more of one topic; an opt-out from everything is in the consent ledger.';

alter table topic_opt_outs enable row level security;
create policy authenticated_read on topic_opt_outs for select to authenticated using (org_id = (select current_org()));
create policy service_role_all on topic_opt_outs to crm_relay, service_role using (true) with check (true);

grant select on topic_opt_outs to authenticated;
grant all on topic_opt_outs to crm_relay, service_role;


create table waiting_opt_outs (
    id            uuid        primary key default gen_random_uuid(),
    source        text        not null,
    source_event  text        not null,
    channel       text        not null check (channel in ('email', 'sms')),
    address       text,
    number_end    text,
    source_person text,
    customer_id   uuid,
    occurred_at   timestamptz not null,
    recorded_at   timestamptz not null default clock_timestamp(),
    looked_at     timestamptz,
    org_id        uuid
);

comment on table waiting_opt_outs is
    'Opt-outs that are not in the ledger for everybody they concern: the number lacks its country, or the person is not known yet.';
comment on column waiting_opt_outs.address is
    'In its one form; null where it is not known. The ledger has it then, for the default organization.';
comment on column waiting_opt_outs.number_end is
    'The last digits (6 to 9) of a number without its country: texts to numbers that end in them are refused while it waits.';
comment on column waiting_opt_outs.source_person is
    'How the source names the person: the contact of Mautic, workspace and lead of EmailBison.';
comment on column waiting_opt_outs.customer_id is
    'The customer whose it is, or whom the event names; null: not known. No reference: there may be none.';
comment on column waiting_opt_outs.looked_at is 'When it was last looked at in vain: others come first then.';
comment on column waiting_opt_outs.org_id is 'Of the workspace that reported it; null: that of the customer.';

create index idx_waiting_opt_outs_address on waiting_opt_outs (address);
create index idx_waiting_opt_outs_customer on waiting_opt_outs (customer_id);
create unique index idx_waiting_opt_outs_event on waiting_opt_outs (source, source_event);
create index idx_waiting_opt_outs_number_end on waiting_opt_outs (number_end);
create index idx_waiting_opt_outs_person on waiting_opt_outs (source, source_person);

alter table waiting_opt_outs enable row level security;
create policy service_role_all on waiting_opt_outs to crm_relay, service_role using (true) with check (true);

grant all on waiting_opt_outs to crm_relay, service_role;
