-- Proof of every erasure: what was reached, when and how much of it, and not a word about whom.
set local lock_timeout = '5s';

create table if not exists erasure_receipts (
    id bigint generated always as identity primary key,
    subject text[] not null,
    receipt jsonb not null,
    at timestamptz not null default now()
);
create index if not exists idx_erasure_receipts_subject on erasure_receipts using gin (subject);

select secure_table('erasure_receipts');

comment on table erasure_receipts is 'One row an erasure: what was reached and how much of it, without personal data.';
comment on column erasure_receipts.subject is 'Salted hashes of the addresses and ids of the person, as in consent_events.';

-- For the last look of an erasure: rows of one table that speak of somebody in any column, whoever made the table. The
-- needles (LIKE, lower case) are quick and find too much; what the pattern finds in those rows counts.
create or replace function count_mentions(relation text, needles text[], pattern text) returns bigint
language plpgsql stable
as $$
declare
    found bigint;
begin
    execute format(
        'select count(*) from %I each where lower(each::text) like any ($1) and lower(each::text) ~ $2', relation
    ) into found using needles, pattern;
    return found;
end
$$;
revoke all on function count_mentions(text, text[], text) from public, anon, authenticated;
grant execute on function count_mentions(text, text[], text) to service_role, crm_relay;

-- Columns of the documents that an installation's older tables may lack: an erasure empties them, wherever they come from.
alter table contacts add column if not exists phone text;
alter table contacts add column if not exists first_name text;
alter table contacts add column if not exists last_name text;
alter table contacts add column if not exists title text;
alter table contacts add column if not exists linkedin_url text;
alter table contacts add column if not exists deleted_at timestamptz;
alter table contacts add column if not exists updated_at timestamptz not null default now();
alter table prospects add column if not exists contact_name text;
alter table prospects add column if not exists contact_title text;
alter table prospects add column if not exists phone text;
alter table prospects add column if not exists linkedin_url text;
alter table prospects add column if not exists archived boolean not null default false;
alter table prospects add column if not exists updated_at timestamptz not null default now();
alter table activities add column if not exists secondary_entity_id uuid;
alter table activities add column if not exists subject text;
alter table activities add column if not exists description text;
alter table activities add column if not exists metadata jsonb not null default '{}';
alter table activities add column if not exists updated_at timestamptz not null default now();
alter table entity_history add column if not exists old_value jsonb;
alter table entity_history add column if not exists new_value jsonb;
alter table entity_history add column if not exists metadata jsonb not null default '{}';
alter table notifications add column if not exists entity_id uuid;
alter table emails add column if not exists prospect_id uuid;
alter table emails add column if not exists subject text;
alter table emails add column if not exists body text;
alter table emails add column if not exists to_email text;
alter table emails add column if not exists from_email text;
alter table emails add column if not exists direction text not null default 'outbound';
alter table emails add column if not exists updated_at timestamptz not null default now();
