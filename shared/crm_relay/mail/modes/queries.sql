-- name: note_mode
-- One statement that writes nothing as long as the mode is the same; its trigger has what the former one held asked again.
insert into send_modes (purpose, mode, allow_list_digest, noted_at)
values (:purpose, :mode, cast(:digest as text), :now)
on conflict (purpose) do update
set mode = excluded.mode, allow_list_digest = excluded.allow_list_digest, noted_at = excluded.noted_at, changed_at = excluded.noted_at
where (send_modes.mode, send_modes.allow_list_digest) is distinct from (excluded.mode, excluded.allow_list_digest);

-- name: mode_of
-- As the last run found it.
select mode, noted_at, changed_at from send_modes where purpose = :purpose;
