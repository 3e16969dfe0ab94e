-- The oldest texts of pitches that are over are found by it.
set local lock_timeout = '5s';

create index if not exists idx_pitches_texts on pitches (updated_at)
    where status in ('sent', 'refused', 'dry_run', 'failed', 'cancelled')
        and (subject <> '' or body_text is not null or body_html is not null);
