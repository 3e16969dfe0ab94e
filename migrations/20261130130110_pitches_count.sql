-- A pitch that has left, or may have, counts for the frequency caps of everything else.
set local lock_timeout = '5s';

create or replace function note_pitch_left() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if tg_op = 'DELETE' or new.left_at is null or normalise_address(new.address) is null then delete from mail_elsewhere where id = old.id;
        return null;
    end if;
    insert into mail_elsewhere (id, org_id, address, purpose, left_at, leaving_until)
    select
        new.id, place.org_id, normalise_address(new.address), 'pitch', new.left_at,
        case when new.status = 'sending' and new.lease is not null then new.claimed_until end
    from workspaces place
    where place.id = new.workspace_id and place.org_id is not null
    on conflict (id) do update
    set
        org_id = excluded.org_id, address = excluded.address, left_at = excluded.left_at, leaving_until = excluded.leaving_until;
    return null;
end
$$;
revoke all on function note_pitch_left() from public, anon, authenticated, service_role, crm_relay;
create or replace trigger note_pitch_left_insert after insert on pitches
    for each row when (new.left_at is not null) execute function note_pitch_left();
create or replace trigger note_pitch_left_update after update on pitches
    for each row when (old.left_at is not null or new.left_at is not null) execute function note_pitch_left();
create or replace trigger note_pitch_left_delete after delete on pitches
    for each row when (old.left_at is not null) execute function note_pitch_left();

-- Those so far.
insert into mail_elsewhere (id, org_id, address, purpose, left_at)
select pitch.id, place.org_id, normalise_address(pitch.address), 'pitch', pitch.left_at
from pitches pitch
join workspaces place on place.id = pitch.workspace_id and place.org_id is not null
where pitch.left_at is not null and normalise_address(pitch.address) is not null
on conflict (id) do nothing;
