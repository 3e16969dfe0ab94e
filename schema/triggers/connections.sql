-- Triggers of connections. Written by `make schema`: change it by a migration.


create trigger note_pitch_left_delete
    after delete on pitches
    for each row
    when (old.left_at is not null)
    execute function note_pitch_left();


create trigger note_pitch_left_insert
    after insert on pitches
    for each row
    when (new.left_at is not null)
    execute function note_pitch_left();


create trigger note_pitch_left_update
    after update on pitches
    for each row
    when (old.left_at is not null or new.left_at is not null)
    execute function note_pitch_left();
