-- In which mode mail last left: a run that finds another one asks again what the former mode held, and lateness counts from then.
set local lock_timeout = '5s';

create table if not exists send_modes (
    purpose text primary key,
    mode text not null check (mode in ('dry-run', 'allow-list', 'live')),
    allow_list_digest text,
    noted_at timestamptz not null,
    changed_at timestamptz
);
select secure_table('send_modes');
comment on table send_modes is 'SEND_MODE as the last run that sends mail of a purpose found it; written where it changes.';
comment on column send_modes.allow_list_digest is 'Of SEND_ALLOW_LIST, without its addresses; null in any mode but allow-list.';
comment on column send_modes.noted_at is 'Since when it is so.';
comment on column send_modes.changed_at is 'When a run found another mode than the one before; null: it has never changed.';

create or replace trigger note_mode_changed after update on send_modes
    for each row when ((old.mode, old.allow_list_digest) is distinct from (new.mode, new.allow_list_digest))
    execute function note_hold_change('', 'dry_run not_on_allow_list');
