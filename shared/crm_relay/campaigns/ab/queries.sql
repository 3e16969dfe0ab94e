-- name: open_tests
-- Every A/B test without a verdict, and what people did with each variant in the time that all of them were watched.
select
    step.id, step.ab_test, step.ab_variants,
    coalesce((
        select jsonb_agg(jsonb_build_object('id', arm.id, 'recipients', arm.recipients, 'conversions', arm.conversions))
        from (
            select
                mail.ab_variant as id, count(*) as recipients,
                count(*) filter (where case coalesce(step.ab_test ->> 'metric', 'opened')
                    when 'opened' then mail.first_human_open_at <= mail.sent_at + patience.length
                    when 'clicked' then mail.first_human_click_at <= mail.sent_at + patience.length
                    else exists (
                        select
                        from inbox_items reply
                        where reply.enrollment_id = mail.enrollment_id and not reply.is_auto_reply
                            and reply.received_at between mail.sent_at and mail.sent_at + patience.length
                            -- The mail that it answers: named by itself, then by its thread, then by its address. One that names
                            -- none answers the latest before it; EmailBison's answer mail of EmailBison.
                            and mail.id = (
                                select known.id
                                from email_sends known
                                left join lateral (
                                    select max(case when named.id = reply.in_reply_to then 10000 else named.place end) as place
                                    from unnest(reply.reference_ids || reply.in_reply_to) with ordinality as named (id, place)
                                    where btrim(named.id, '<>') = btrim(known.message_id, '<>')
                                ) thread on true
                                cross join lateral (
                                    select exists (
                                        select
                                        from unnest(reply.to_addresses) as written (address)
                                        where substring(lower(written.address) from '\+([^+@]+)@') = known.reply_token
                                    ) as is_named
                                ) address
                                where known.enrollment_id = mail.enrollment_id and (
                                    thread.place is not null or address.is_named
                                    or reply.source <> 'bison' and known.sent_at <= reply.received_at
                                )
                                order by thread.place desc nulls last, address.is_named desc, known.sent_at desc nulls last
                                limit 1
                            )
                    )
                end) as conversions
            from email_sends mail
            where mail.sequence_id = step.id and mail.ab_variant is not null
                and mail.sent_at <= cast(:now as timestamptz) - patience.length
                and mail.status not in ('queued', 'sending', 'refused', 'dry_run', 'failed', 'suppressed', 'unknown')
            group by mail.ab_variant
        ) arm
    ), '[]') as arms
from campaign_sequences step
cross join lateral (
    -- Of a plan that makes no sense any length will do: it is not judged, and must not stop the others.
    select interval '1 hour' * case jsonb_typeof(step.ab_test -> 'wait_hours')
        when 'number' then least(greatest((step.ab_test ->> 'wait_hours')::numeric, 1), 100000)::double precision else 72
    end as length
) patience
where jsonb_typeof(step.ab_test) = 'object' and step.ab_verdict is null
order by step.id;

-- name: keep_verdicts
-- The first look is the only one: who comes second finds it taken.
update campaign_sequences step
set ab_verdict = given.verdict, ab_winner = given.winner, updated_at = :now
from jsonb_to_recordset(:verdicts) as given (id uuid, winner text, verdict jsonb)
where step.id = given.id and step.ab_verdict is null
returning step.id;
