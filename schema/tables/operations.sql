-- Tables of operations. Written by `make schema`: change it by a migration.


create table api_tokens (
    name         text        primary key,
    sha256       text        not null unique,
    role         text        not null default 'read',
    expires_at   timestamptz,
    last_used_at timestamptz,
    created_at   timestamptz not null default now(),
    created_by   text        not null default 'operator',
    revoked_at   timestamptz,
    user_id      uuid        references user_profiles (id) on delete set null,
    constraint api_tokens_role_is_known check (role in ('read', 'operate', 'admin'))
);

alter table api_tokens add constraint api_tokens_hash_is_a_hash check (sha256 ~ '^[0-9a-f]{64}$') not valid;
alter table api_tokens add constraint api_tokens_name_is_free
    check (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$' and (name not in ('admin', 'schedule', 'operator'))) not valid;

comment on table api_tokens is 'Named tokens of the admin API by their SHA-256; approvals and fixes record the name.';
comment on column api_tokens.expires_at is 'Null: never.';
comment on column api_tokens.last_used_at is 'To the minute.';
comment on column api_tokens.revoked_at is
    'The row stays: a name that stands in the audit trail is not given to somebody else.';
comment on column api_tokens.user_id is 'Whose decisions and starts the calls with this token are.';

alter table api_tokens enable row level security;
create policy service_role_all on api_tokens to crm_relay, service_role using (true) with check (true);

grant all on api_tokens to crm_relay, service_role;


create table erasure_receipts (
    id      bigint      generated always as identity primary key,
    subject text[]      not null,
    receipt jsonb       not null,
    at      timestamptz not null default now()
);

comment on table erasure_receipts is 'One row an erasure: what was reached and how much of it, without personal data.';
comment on column erasure_receipts.subject is
    'Salted hashes of the addresses and ids of the person, as in consent_events.';

create index idx_erasure_receipts_subject on erasure_receipts using gin (subject);

alter table erasure_receipts enable row level security;
create policy service_role_all on erasure_receipts to crm_relay, service_role using (true) with check (true);

grant all on erasure_receipts to crm_relay, service_role;


create table sign_in_links (
    sha256     text        primary key,
    role       text        not null check (role in ('read', 'operate', 'admin')),
    user_id    uuid        references user_profiles (id) on delete cascade,
    created_by text        not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at    timestamptz
);

comment on table sign_in_links is
    'Links that sign in to the operator''s page, by the SHA-256 of their code; each is used once.';

alter table sign_in_links enable row level security;
create policy service_role_all on sign_in_links to crm_relay, service_role using (true) with check (true);

grant all on sign_in_links to crm_relay, service_role;


create table unfinished_erasures (
    id           bigint      generated always as identity primary key,
    addresses    text[]      not null default '{}',
    phones       text[]      not null default '{}',
    customer_ids uuid[]      not null default '{}',
    contact_ids  integer[]   not null default '{}',
    asked_at     timestamptz not null default clock_timestamp(),
    tried_at     timestamptz not null default clock_timestamp()
);

comment on table unfinished_erasures is
    'By what a person is found whose erasure is not complete. The row goes with the complete receipt, and after 30 days in any case.';
comment on column unfinished_erasures.tried_at is 'The one that was tried longest ago comes first.';

alter table unfinished_erasures enable row level security;
create policy service_role_all on unfinished_erasures to crm_relay, service_role using (true) with check (true);

grant all on unfinished_erasures to crm_relay, service_role;
