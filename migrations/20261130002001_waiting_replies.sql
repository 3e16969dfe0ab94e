-- Replies that nobody has looked at, with whose each may be: each claim asks twice, and nearly always there is none. It has no
-- rule; plpgsql keeps its plans for the session.
set local lock_timeout = '5s';

create or replace function waiting_replies() returns setof reply_matches
language plpgsql stable rows 5 set search_path = public, pg_temp
as $$
begin
    if exists (select from inbox_items where followed_at is null) then
        return query select * from reply_matches;
    end if;
end
$$;
revoke all on function waiting_replies() from public, anon, authenticated;
grant execute on function waiting_replies() to service_role, crm_relay;
