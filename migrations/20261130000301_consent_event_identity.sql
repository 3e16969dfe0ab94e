-- A consent and an opt-out, and one event that concerns two organizations, may carry one id of their source.
create unique index concurrently if not exists idx_consent_events_identity
    on consent_events (source, source_event, channel, address, kind, org_id) where source_event is not null;
