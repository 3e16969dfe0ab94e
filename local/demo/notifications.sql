-- name: people
-- An owner without settings, a colleague who sleeps, and one who wants one mail a day.
with made as (
    insert into user_profiles (org_id, email, name, timezone, locale)
    select default_org_id(), address, initcap(split_part(address, '@', 1)), 'UTC', 'en-GB'
    from unnest(cast(:addresses as text[])) as address
    returning id, org_id, email
),
settings as (
    insert into notification_preferences (org_id, user_id, category, channels, frequency, quiet_hours_enabled, quiet_hours_timezone)
    select org_id, id, 'deal', '["in_app", "email"]',
        case when email = cast(:gathering as text) then 'daily_digest' else 'immediate' end, email = cast(:sleeping as text), 'UTC'
    from made
    where email in (cast(:gathering as text), cast(:sleeping as text))
)
select id, email from made order by array_position(cast(:addresses as text[]), email);

-- name: win_deal
-- A deal is won.
insert into deals (org_id, name, value, currency, status, owner_id, closed_at)
values (default_org_id(), :name, :value, 'EUR', 'won', :owner, :now)
returning id, org_id, name, value, currency;

-- name: claims
-- Who is asking, as the token of a browser says it.
select set_config('request.jwt.claims', json_build_object('sub', cast(:user as text))::text, true);

-- name: browser
-- With the rights of a browser.
set local role authenticated;

-- name: seen
-- What that person sees.
select count(*)::integer as rows, unread_notification_count() as unread, max(title) as title from notifications;

-- name: mail_of
-- What waits for a person outside the application, and why.
select state, reason from notification_deliveries where user_id = :user and channel = 'email' order by created_at desc limit 1;
