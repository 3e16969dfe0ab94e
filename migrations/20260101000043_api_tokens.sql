-- The admin API's tokens: who made them, what each may do, and that a name is used once.
set local lock_timeout = '5s';

alter table api_tokens add column if not exists created_by text not null default 'operator';
alter table api_tokens add column if not exists revoked_at timestamptz;
alter table api_tokens alter column role set default 'read';

-- Nothing has read the table so far: a role of another name could do nothing, and from now on may read.
update api_tokens set role = 'read' where role not in ('read', 'operate', 'admin');

do $$
begin
    if not exists (select from pg_constraint where conname = 'api_tokens_role_is_known') then
        alter table api_tokens add constraint api_tokens_role_is_known check (role in ('read', 'operate', 'admin'));
        alter table api_tokens add constraint api_tokens_hash_is_a_hash check (sha256 ~ '^[0-9a-f]{64}$') not valid;
        -- These names stand in the audit trail for somebody else.
        alter table api_tokens add constraint api_tokens_name_is_free check (
            name ~ '^[a-z0-9][a-z0-9._-]{0,62}$' and name not in ('admin', 'schedule', 'operator')
        ) not valid;
    end if;
end
$$;
select secure_table('api_tokens');

-- The operator's page asks for the runs of a span of time, whatever their direction.
create index if not exists idx_sync_log_started on sync_log (started_at);

comment on column api_tokens.last_used_at is 'To the minute.';
comment on column api_tokens.expires_at is 'Null: never.';
comment on column api_tokens.revoked_at is 'The row stays: a name that stands in the audit trail is not given to somebody else.';
