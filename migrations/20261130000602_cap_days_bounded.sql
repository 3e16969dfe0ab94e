-- A cap of more days than the calendar has stopped the sending of every organization: ten years are as good as for ever.
set local lock_timeout = '5s';

update delivery_limits set cap_days = 3650 where cap_days > 3650;
do $$
begin
    if not exists (select from pg_constraint where conname = 'delivery_limits_cap_days_bounded') then
        alter table delivery_limits add constraint delivery_limits_cap_days_bounded check (cap_days <= 3650);
    end if;
end
$$;
