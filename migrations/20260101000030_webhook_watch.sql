-- What the watch on Mautic's webhook remembers: until when it was on, and what of a gap is still to be read.
set local lock_timeout = '5s';

create table if not exists mautic_webhook_watch (
    only_row boolean primary key default true check (only_row),
    seen_on_at timestamptz,
    gap_from timestamptz,
    gap_to timestamptz,
    contacts_read boolean not null default false,
    opens_after bigint,
    clicks_after bigint
);

select secure_table('mautic_webhook_watch');

comment on table mautic_webhook_watch is
    'One row: when the watch last saw the webhook on, and the gap that it still fills; gap_from is null where there is none.';
comment on column mautic_webhook_watch.gap_to is 'When the webhook was seen on again; null while it is off or missing.';
comment on column mautic_webhook_watch.contacts_read is 'Whether opt-outs and deletions of the gap were read from the contacts.';
comment on column mautic_webhook_watch.opens_after is
    'Up to which id of email_stats opens of the gap were read, null once all were; clicks_after the same of page_hits.';
