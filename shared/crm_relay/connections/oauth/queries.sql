-- name: add_ticket
-- Somebody who may connect accounts of a workspace begins; the ticket leads a browser to the provider, once.
insert into integration_oauth_states (
    state_hash, provider, workspace_id, started_by, connection_id, label, settings, created_at, expires_at
)
values (
    :ticket_hash, :provider, :workspace, :started_by, :connection, :label, :settings, :now,
    cast(:now as timestamptz) + make_interval(secs => :seconds)
);

-- name: begin
-- The ticket becomes a state: a second use of it finds nothing.
update integration_oauth_states
set
    state_hash = :state_hash, verifier = :verifier, key_version = :key_version,
    expires_at = cast(:now as timestamptz) + make_interval(secs => :seconds)
where state_hash = :ticket_hash and provider = :provider and verifier is null and used_at is null and expires_at > :now
returning state_hash;

-- name: use_state
-- A callback comes once: what comes again, too late, or for another provider finds nothing.
update integration_oauth_states
set used_at = :now
where state_hash = :state_hash and provider = :provider and verifier is not null and used_at is null and expires_at > :now
returning workspace_id, started_by, connection_id, label, settings, verifier, key_version;
