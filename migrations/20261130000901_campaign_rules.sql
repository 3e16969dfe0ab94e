-- What a campaign's row may hold, where SQL can say it: anything else could not be read, and its people would wait. Rows that
-- break a rule already are left as they are; the next file validates what holds.
-- Zones and fields of skip conditions are not among the rules: PostgreSQL's zones are not Python's, and the fields are named there.
set local lock_timeout = '5s';

do $$
declare
    rule record;
begin
    for rule in
        select * from (values
            ('campaigns', 'campaigns_send_days_known', $rule$
                source <> 'native' or lower(array_to_string(send_days, ',', '?'))
                    ~ '^\s*(mon|tue|wed|thu|fri|sat|sun)\s*(,\s*(mon|tue|wed|thu|fri|sat|sun)\s*)*$' $rule$),
            ('campaigns', 'campaigns_send_window_has_length', $rule$
                source <> 'native' or send_window_start <> send_window_end $rule$),
            ('campaigns', 'campaigns_send_window_ends_in_its_day', $rule$
                source <> 'native' or (send_window_start < time '24:00' and send_window_end < time '24:00') $rule$),
            ('campaign_sequences', 'campaign_sequences_variants_readable', $rule$
                case jsonb_typeof(ab_variants)
                    when 'null' then true
                    when 'array' then jsonb_array_length(ab_variants) > 0 and not jsonb_path_exists(ab_variants, '$[*] ? (
                        @.type() != "object" || !exists(@.id ? (@.type() == "string" && @ like_regex "[^ ]"))
                        || exists(@.weight ? (@.type() != "number")) || exists(@.weight ? (@ <= 0 || @ > 1000000000))
                    )')
                    else ab_variants is null
                end $rule$),
            ('campaign_sequences', 'campaign_sequences_test_measurable', $rule$
                ab_test is null or jsonb_typeof(ab_test) = 'null' or channel = 'email' $rule$),
            ('campaign_sequences', 'campaign_sequences_task_is_object', $rule$
                task_config is null or jsonb_typeof(task_config) in ('object', 'null') $rule$),
            ('campaign_sequences', 'campaign_sequences_conditions_are_list', $rule$
                jsonb_typeof(skip_conditions) in ('array', 'null') $rule$),
            ('campaign_sequences', 'campaign_sequences_delay_bounded', $rule$
                delay_days <= 3650 and delay_hours <= 87600 and delay_minutes <= 5256000 $rule$)
        ) as rule (relation, name, holds)
    loop
        if not exists (select from pg_constraint where conname = rule.name and conrelid = rule.relation::regclass) then
            execute format('alter table %I add constraint %I check (%s) not valid', rule.relation, rule.name, rule.holds);
        end if;
    end loop;
end
$$;
