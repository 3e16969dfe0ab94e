-- Messages to Slack that a channel shows once, whoever they concern: several deliveries share one message and its outcome.
set local lock_timeout = '5s';

-- `delivery_id` is the delivery that carries the message (no foreign key: that it is gone is an outcome). open: it is on its way;
-- `claimed_until`: it was begun. One that failed may be carried by the next delivery.
create table if not exists notification_posts (
    id uuid primary key,
    org_id uuid not null references organizations (id) on delete cascade,
    delivery_id uuid not null,
    state text not null default 'open' check (state in ('open', 'sent', 'failed', 'unknown')),
    reason text,
    claimed_until timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index if not exists idx_notification_posts_open on notification_posts (id) where state = 'open';
select secure_new_table('notification_posts');

alter table notification_deliveries add column if not exists post_id uuid;
