-- The people of a campaign are counted by their status, and shown a page at a time.
create index concurrently if not exists idx_campaign_enrollments_page on campaign_enrollments (campaign_id, id) include (status);
