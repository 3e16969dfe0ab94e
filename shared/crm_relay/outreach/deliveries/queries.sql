-- name: lock_outreach
-- Whose deliveries these are, by the names of their tokens, and what they meet, behind its locks.
select batch.workspace_name, known.*
from :batch as batch (
    workspace_name text, marks text[], account_ids bigint[], metrics text[], interested bigint[], instance text, changing bigint[]
)
cross join lateral lock_outreach(workspace_name, marks, account_ids, metrics, interested, instance, changing) as known;

-- name: lock_one_outreach
-- The same of a single workspace, which takes half the time to plan.
select cast(:workspace_name as text) as workspace_name, known.*
from lock_outreach(
    :workspace_name, cast(:marks as text[]), cast(:account_ids as bigint[]), cast(:metrics as text[]), cast(:interested as bigint[]),
    :instance, cast(:changing as bigint[])
) as known;

-- name: known_events
-- Which of these keys belong to events that were counted before; what an older version counted has one key, in the log.
select wanted.its_key as workspace_key, wanted.event_key, bool_or(known.is_alone) as is_alone
from (
    select distinct workspace_key(workspace_name) as its_key, event_key
    from :events as asked (workspace_name text, event_key text)
    offset 0
) wanted
join lateral (
    select is_alone
    from outreach_event_keys
    where workspace_key = wanted.its_key and event_key = wanted.event_key
    union all
    select false
    from webhook_delivery_log log
    where log.workspace_name = wanted.its_key and log.event_key = wanted.event_key and log.is_first
) known on true
group by 1, 2;

-- name: claim_event_keys
-- They stood for an event that has an id of its own by now.
update outreach_event_keys known
set is_alone = false
from :keys as claimed (workspace_key text, event_key text)
where known.workspace_key = claimed.workspace_key and known.event_key = claimed.event_key;

-- name: add_event_keys
-- A plain insert, as in add_bison_line: the primary key refuses an event that another delivery is counting at this moment.
insert into outreach_event_keys (workspace_key, event_key, is_alone)
values :keys as added (workspace_key text, event_key text, is_alone boolean);

-- name: add_keys_of_one
-- The same of one workspace, with a kept plan.
select add_event_keys(:workspace_key, :event_keys::text[], :is_alone) as added;

-- name: inbox_ids
-- The rows of deliveries that came before.
select dedupe_key, id from webhook_inbox where source = 'bison' and dedupe_key = any (:dedupe_keys::text[]);

-- name: erased_leads
-- Which of these addresses belong to an erased person; of a new delivery the inbox says it.
select erased_among(:addresses::text[]) as erased;

-- name: change_fillings
-- An event that came after all takes the place of one that was filled in.
update webhook_delivery_log filling
set amount = changed.amount
from :fillings as changed (id bigint, amount integer)
where filling.id = changed.id;

-- name: put_leads
-- Leads that somebody called interested.
select put_lead(
    workspace_name, lead_id, email, first_name, last_name, company, title, received_at, campaign_id, campaign_name, account_id,
    called_at, called_by, replied_at, bounced_at, unsubscribed_at
) as put
from :leads as lead (
    workspace_name text, lead_id bigint, email text, first_name text, last_name text, company text, title text,
    received_at timestamptz, campaign_id bigint, campaign_name text, account_id bigint, called_at timestamptz, called_by text,
    replied_at timestamptz, bounced_at timestamptz, unsubscribed_at timestamptz
);

-- name: move_lead_times
-- Leads that something else happened to.
select move_lead_times(workspace_name, lead_id, replied_at, bounced_at, unsubscribed_at) as moved
from :leads as lead (
    workspace_name text, lead_id bigint, replied_at timestamptz, bounced_at timestamptz, unsubscribed_at timestamptz
);

-- name: add_replies
-- Mails that people wrote.
select add_bison_reply(org_id, workspace_id, external_id, thread_id, from_address, subject, received_at, is_automated) as added
from :replies as reply (
    org_id uuid, workspace_id uuid, external_id text, thread_id text, from_address text, subject text, received_at timestamptz,
    is_automated boolean
);

-- name: add_accounts
-- Accounts that were not known. A plain insert: the unique index refuses one that the poll or another delivery has just added.
insert into sender_emails_cache (
    workspace_name, bison_instance, sender_email_id, email_address, name, account_type, daily_limit, email_provider, reseller,
    status, status_at, recheck_since, removed_at
)
values :accounts as account (
    workspace_name text, instance text, account_id bigint, email text, name text, account_type text, daily_limit integer,
    provider text, reseller text, status text, status_at timestamptz, recheck_since timestamptz, removed_at timestamptz
);

-- name: put_account_states
-- Accounts that were known, locked before.
select put_account_state(:instance, account_id, status, status_at, recheck_since, removed_at) as put
from :accounts as account (
    account_id bigint, status text, status_at timestamptz, recheck_since timestamptz, removed_at timestamptz
);

-- name: add_lines
-- The log of a batch: a plain insert, as in add_bison_line.
insert into webhook_delivery_log (
    event_type, workspace_name, success, error_message, processing_time_ms, inbox_id, origin, event_key, is_first, metric, amount,
    occurred_at, sender_email_id, lead_id
)
values :lines as line (
    event_type text, workspace_name text, success boolean, error_message text, processing_time_ms integer, inbox_id bigint,
    origin text, event_key text, is_first boolean, metric text, amount integer, occurred_at timestamptz, sender_email_id bigint,
    lead_id bigint
);

-- name: count_events
-- The counters of a batch, behind everything but the slots, since everybody waits for them.
select count_outreach(workspace_name, metric, amount, occurred_at) as counted
from :counts as counted (workspace_name text, metric text, amount integer, occurred_at timestamptz);

-- name: forget_rejections
-- A good delivery ends a row of calls without a valid token.
update webhook_rejections set in_a_row = 0 where source = 'bison' and claimed = any (:names::text[]) and in_a_row > 0;

-- name: add_attempts
-- What the health of a workspace is computed from.
select add_attempts(workspace_name, received_at, deliveries, successes) as counted
from :attempts as attempt (workspace_name text, received_at timestamptz, deliveries integer, successes integer);

-- name: record_event
-- A single delivery about nobody who did something: in one statement, and in the same order as a batch.
select
    add_bison_line(
        :event_type, :workspace_key, :success, :error_message, :processing_time_ms, :inbox_id, :origin, :event_key, :is_first,
        :metric, :amount, :occurred_at, :sender_email_id, :lead_id
    ) as added,
    count_outreach(:workspace_name, :metric, :amount, :occurred_at) as counted,
    add_attempts(:workspace_name, :received_at, :deliveries, :successes) as attempted;

-- name: record_lead_event
-- The same of a lead who did something.
select
    move_lead_times(:workspace_name, :its_id, :replied_at, :bounced_at, :unsubscribed_at) as moved,
    add_bison_line(
        :event_type, :workspace_key, :success, :error_message, :processing_time_ms, :inbox_id, :origin, :event_key, :is_first,
        :metric, :amount, :occurred_at, :sender_email_id, :lead_id
    ) as added,
    count_outreach(:workspace_name, :metric, :amount, :occurred_at) as counted,
    add_attempts(:workspace_name, :received_at, :deliveries, :successes) as attempted;

-- name: record_reply
-- The same of a lead who wrote.
select
    move_lead_times(:workspace_name, :its_id, :replied_at, :bounced_at, :unsubscribed_at) as moved,
    add_bison_reply(
        :org_id, :workspace_id, :external_id, :thread_id, :from_address, :subject, :reply_received_at, :is_automated
    ) as replied,
    add_bison_line(
        :event_type, :workspace_key, :success, :error_message, :processing_time_ms, :inbox_id, :origin, :event_key, :is_first,
        :metric, :amount, :occurred_at, :sender_email_id, :lead_id
    ) as added,
    count_outreach(:workspace_name, :metric, :amount, :occurred_at) as counted,
    add_attempts(:workspace_name, :received_at, :deliveries, :successes) as attempted;

-- name: record_interested
-- The same of a lead who wrote and was called interested.
select
    put_lead(
        :workspace_name, :its_id, :email, :first_name, :last_name, :company, :title, :lead_received_at, :campaign_id, :campaign_name,
        :account_id, :called_at, :called_by, :replied_at, :bounced_at, :unsubscribed_at
    ) as put,
    add_bison_reply(
        :org_id, :workspace_id, :external_id, :thread_id, :from_address, :subject, :reply_received_at, :is_automated
    ) as replied,
    add_bison_line(
        :event_type, :workspace_key, :success, :error_message, :processing_time_ms, :inbox_id, :origin, :event_key, :is_first,
        :metric, :amount, :occurred_at, :sender_email_id, :lead_id
    ) as added,
    count_outreach(:workspace_name, :metric, :amount, :occurred_at) as counted,
    add_attempts(:workspace_name, :received_at, :deliveries, :successes) as attempted;

-- name: record_attempt
-- A single delivery that moves no counter.
select
    add_bison_line(
        :event_type, :workspace_key, :success, :error_message, :processing_time_ms, :inbox_id, :origin, :event_key, :is_first,
        :metric, :amount, :occurred_at, :sender_email_id, :lead_id
    ) as added,
    add_attempts(:workspace_name, :received_at, :deliveries, :successes) as attempted;

-- name: log_unreadable
-- It has no effect, and the workspace's health shows it.
with line as (
    insert into webhook_delivery_log (event_type, workspace_name, success, error_message, processing_time_ms, origin)
    values ('unreadable', workspace_key(:workspace_name), false, :reason, :elapsed_ms, 'webhook')
)
select add_attempts(workspace_now(:workspace_name), :received_at, 1, 0) as counted;

-- name: give_opt_outs
-- What waited of leads who have an address by now, in the one way into the ledger. A lead is found by the index on both its names.
with given as (
    delete from waiting_opt_outs waiting
    using client_leads lead
    where waiting.source = 'bison'
        and lead.workspace_name = workspace_now(substring(waiting.source_person from '^(.*)/[0-9]+$'))
        and lead.lead_id = cast(substring(waiting.source_person from '/([0-9]+)$') as bigint)
        and normalise_address(lead.lead_email) is not null
    returning waiting.org_id, waiting.source_event, waiting.occurred_at, lead.lead_email
)
select record_consent_events(coalesce(jsonb_agg(jsonb_build_object(
    'org_id', org_id, 'channel', 'email', 'address', lead_email, 'kind', 'opt_out', 'source', 'bison',
    'source_event', source_event, 'occurred_at', occurred_at
)), '[]')) as recorded
from given;
