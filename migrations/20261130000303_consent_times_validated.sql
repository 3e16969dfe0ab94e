-- The bound on the ledger's times for its older lines too. Where one of them lies outside, the bound holds for new lines only:
-- the line is evidence and stays, and the readers show it at the end of the years that they can hold.
set local lock_timeout = '5s';

do $$
begin
    if exists (
        select
        from consent_events
        where occurred_at not between timestamptz '0001-01-01 00:00:00+00' and timestamptz '9999-12-31 23:59:59.999999+00'
    ) then
        raise warning 'consent_events has lines dated outside the years 1 to 9999';
    else
        alter table consent_events validate constraint consent_events_readable_time;
    end if;
end
$$;
