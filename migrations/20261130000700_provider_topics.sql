-- What topics of an e-mail provider are called here, and replies that may belong to several organizations.
--
-- Removed in the next release, since only the version before this one calls them: refresh_email_send, mail_status_rank,
-- is_mail_scanner, apply_mail_event, adopt_mail_events, accept_email_batch, keep_inbound_mail, unsubscribe_reader,
-- cancel_queued_mail, refresh_engagement, react_to_mails, follow_mail_event.
set local lock_timeout = '5s';

create table if not exists provider_topics (
    provider text not null,
    external_id text not null,
    topic text not null,
    updated_at timestamptz not null default now(),
    primary key (provider, external_id)
);
select secure_table('provider_topics');
comment on table provider_topics is 'What a topic of the provider is called here: an opt-out from it there holds for campaigns with this topic.';

alter table inbox_items add column if not exists quarantined_for text;
comment on column inbox_items.quarantined_for is
    'Why nobody owns this mail: it came to a domain of several organizations without a token that says whose it is.';
