-- Pitches leave by a connected mailbox, once; what became of each, and what it waits for.
set local lock_timeout = '5s';

alter table pitches add column if not exists connection_id uuid references integration_connections (id) on delete set null;
-- Whose mailbox it left from, since an account may be connected in several workspaces and again.
alter table pitches add column if not exists from_address text;
-- Ours, and the same for as long as the pitch is there: by it a draft and a sent message are found again.
alter table pitches add column if not exists message_id text;
alter table pitches add column if not exists attempts integer not null default 0;
alter table pitches add column if not exists not_before timestamptz not null default '-infinity';
alter table pitches add column if not exists lease uuid;
alter table pitches add column if not exists claimed_until timestamptz;
-- When its draft was last asked to be sent; null: it surely never left.
alter table pitches add column if not exists left_at timestamptz;
alter table pitches add column if not exists reason text;
alter table pitches add column if not exists held_for text;
alter table pitches add column if not exists cancelled_at timestamptz;
alter table pitches add column if not exists erased_at timestamptz;
alter table pitches add column if not exists replied_at timestamptz;
alter table pitches add column if not exists bounced_at timestamptz;
create index if not exists idx_pitches_due on pitches (workspace_id, not_before) where status in ('queued', 'sending');
create index if not exists idx_pitches_left on pitches (from_address, left_at) where left_at is not null;
create index if not exists idx_pitches_address on pitches (normalise_address(address)) where address is not null;
create index if not exists idx_pitches_thread on pitches (connection_id, external_thread_id) where external_thread_id is not null;
create index if not exists idx_pitches_message on pitches (message_id) where message_id is not null;
create index if not exists idx_pitches_parked on pitches (updated_at) where status = 'unknown';
create index if not exists idx_pitches_connection on pitches (connection_id) where connection_id is not null;

-- The address that the stored cursor of a mailbox belongs to: another account's history means nothing here.
alter table integration_connections add column if not exists mailbox_address text;
comment on column integration_connections.mailbox_address is 'Whose mailbox the cursor of a connected mailbox belongs to.';

-- By which the same mail in two mailboxes of a workspace is known.
alter table inbox_items add column if not exists message_id text;
create index if not exists idx_inbox_items_message on inbox_items (workspace_id, message_id)
    where source = 'gmail' and message_id is not null;

-- A stop that holds now holds pitches too, as one that is made from now on does.
update sending_stops
set purposes = purposes || array['pitch']
where resumed_at is null and 'campaign' = any (purposes) and 'pitch' <> all (purposes);

comment on table pitches is 'Mails that leave by a connected mailbox of a workspace, one by one, and what became of each.';
comment on column pitches.status is
    'draft: its author''s; queued; sending; sent, refused, dry_run, failed or cancelled; unknown: it may have left, see reason.';
