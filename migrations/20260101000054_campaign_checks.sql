-- What the integrity checks read of campaigns: indexes that hold next to nothing while everything is in order.
set local lock_timeout = '5s';

-- Whoever is not on the way: the due ones have an index of their own, and one that moves along with every step is dear.
create index if not exists idx_campaign_enrollments_resting on campaign_enrollments (campaign_id, status, current_step)
    where next_step_at is null or status not in ('active', 'engaged');
create index if not exists idx_campaign_enrollments_due_though_finished on campaign_enrollments (id)
    where next_step_at is not null and status not in ('active', 'engaged', 'paused');
-- Which steps somebody has done, of whom nothing is left in the log.
create index if not exists idx_campaign_sequence_logs_archive_enrollment on campaign_sequence_logs_archive (enrollment_id);
