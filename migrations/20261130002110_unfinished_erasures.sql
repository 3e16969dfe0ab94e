-- Whom an erasure was asked for, until nothing of the person is left: what could not be reached is tried again every night.
set local lock_timeout = '5s';
select remember_tables();

create table if not exists unfinished_erasures (
    id bigint generated always as identity primary key,
    addresses text[] not null default '{}',
    phones text[] not null default '{}',
    customer_ids uuid[] not null default '{}',
    contact_ids integer[] not null default '{}',
    asked_at timestamptz not null default clock_timestamp(),
    tried_at timestamptz not null default clock_timestamp()
);
select secure_new_table('unfinished_erasures');

comment on table unfinished_erasures is
    'By what a person is found whose erasure is not complete. The row goes with the complete receipt, and after 30 days in any case.';
comment on column unfinished_erasures.tried_at is 'The one that was tried longest ago comes first.';
