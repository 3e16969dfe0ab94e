-- Who left an audience of a connected account, so that each departure is taken over once, and nobody who left is added again.
set local lock_timeout = '5s';

create table if not exists integration_standings (
    connection_id uuid not null references integration_connections (id) on delete cascade,
    stream text not null,
    their_id text not null,
    -- The address that left, as the ledger keeps an erased one: a record that moves to another address leaves with that one too.
    address_key text not null,
    -- 'leaving': has to be unsubscribed there; the others are what the other side says.
    standing text not null check (standing in ('unsubscribed', 'undeliverable', 'archived', 'leaving')),
    -- Why the other side did not unsubscribe them, and when it is asked again.
    reason text,
    attempts integer not null default 0,
    retry_at timestamptz,
    changed_at timestamptz not null default now(),
    primary key (connection_id, stream, their_id)
);
create index if not exists idx_integration_standings_address on integration_standings (address_key);
create index if not exists idx_integration_standings_leaving on integration_standings (connection_id, stream)
    where standing = 'leaving';
select secure_table('integration_standings');
comment on table integration_standings is 'Who left an audience of a connected account, or has to leave it.';

-- Up to which event of the ledger of consent the stream was compared.
alter table integration_checkpoints add column if not exists ledger_seen bigint not null default 0;
