-- What was sent to a connected account and not confirmed yet: an answer that is lost must not make our own value look like
-- a change of theirs. One row a record while its request is under way; the next read to the end of their changes ends it.
set local lock_timeout = '5s';

create table if not exists integration_unconfirmed (
    connection_id uuid not null references integration_connections (id) on delete cascade,
    stream text not null,
    our_id uuid not null,
    -- The keyed hash of the address that a new record was sent with; null for a record that was there before.
    sent_address text,
    -- Column -> what was sent, in the form of integration_records.fields.
    fields jsonb not null default '{}',
    sent_at timestamptz not null,
    primary key (connection_id, stream, our_id)
) with (fillfactor = 70);
create index if not exists idx_integration_unconfirmed_address on integration_unconfirmed (connection_id, stream, sent_address)
    where sent_address is not null;

select secure_new_table('integration_unconfirmed');
comment on table integration_unconfirmed is 'What was sent to connected accounts and not confirmed yet, as keyed hashes.';
