-- PostgreSQL lets everybody execute a new function, and Supabase grants it to anon and authenticated besides, which makes
-- each one an RPC endpoint. EXECUTE is granted by name here; tests/integration/platform/test_function_rights.py lists the
-- grants of all functions.
set local lock_timeout = '5s';

do $$
declare
    clients_need constant text[] := array[
        -- Policies.
        'current_org', 'current_user_id', 'current_workspace_ids', 'current_workspace_names', 'default_org_id',
        -- Views that read with the reader's rights, column defaults, and indexes of tables that an application writes to.
        'normalise_address', 'normalise_unicode_address', 'edge_bucket', 'edge_time',
        -- Statistics over the accounts that the caller may see.
        'workspace_month', 'metric_column', 'aggregate_provider_stats', 'get_account_status_stats', 'check_provider_reply_rate_drop'
    ];
    servers_need constant text[] := array[
        'accept_email_batch', 'adopt_mail_events', 'apply_bison_delivery', 'apply_mail_event', 'apply_mautic_bounces',
        'apply_mautic_deletions', 'apply_mautic_events', 'apply_mautic_text_opt_outs', 'apply_mautic_unsubscribes',
        'campaign_document', 'cancel_queued_mail', 'count_bison_attempt', 'count_mentions', 'count_outreach',
        'customer_of_mautic_event', 'edge_hash', 'edge_touch', 'erase_enrollments', 'erased_among', 'erased_key', 'fold_letters',
        'follow_mail_event', 'increment_metric', 'is_erased', 'is_mail_scanner', 'keep_account_state', 'keep_inbound_mail',
        'keep_lead', 'log_bison_attempt', 'mail_status_rank', 'match_waiting_mautic_events', 'milliseconds_so_far', 'open_month',
        'punycode', 'react_to_mails', 'read_mautic_events', 'record_consent_events', 'refresh_email_send', 'refresh_engagement',
        'settle_bison_accounts', 'settle_campaign_mail', 'settle_fixes', 'stop_answered', 'stop_enrollments', 'stop_for_address',
        'suppression', 'take_back_ended', 'take_turn', 'try_uuid', 'unsubscribe_reader'
    ];
    -- A trigger runs its function whoever writes; nobody calls one.
    triggers constant text[] := array[
        'archive_deleted_lines', 'count_enrollments', 'draw_edge_version', 'hide_erased_address', 'note_edge_change',
        'note_mautic_dirty', 'note_mautic_dirty_by_customer', 'note_mautic_dirty_by_id', 'note_mautic_dirty_consent',
        'note_mautic_dirty_former', 'note_mautic_dirty_segment', 'note_mautic_removal', 'note_profile_opt_out',
        'refuse_erased_address', 'refuse_ledger_change'
    ];
    made record;
begin
    for made in
        select oid::regprocedure as signature, proname as name
        from pg_proc
        where pronamespace = 'public'::regnamespace and proname = any (clients_need || servers_need || triggers)
    loop
        execute format('revoke all on function %s from public, anon, authenticated', made.signature);
        if made.name <> all (triggers) then
            execute format('grant execute on function %s to service_role, crm_relay', made.signature);
        end if;
        if made.name = any (clients_need) then
            execute format('grant execute on function %s to authenticated', made.signature);
        end if;
    end loop;
end
$$;

-- An application whose own policies let anon write to a table that this schema has indexed or given a default keeps working:
-- both are computed with the writer's rights.
do $$
begin
    if exists (
        select
        from pg_class relation
        where relation.relnamespace = 'public'::regnamespace
            and relation.relname in ('customer_emails', 'contacts', 'prospects', 'emails', 'customer_profiles', 'accounts', 'deals', 'activities')
            and has_any_column_privilege('anon', relation.oid, 'insert, update')
            and (
                not relation.relrowsecurity
                or exists (
                    select
                    from pg_policy policy
                    where policy.polrelid = relation.oid and policy.polcmd in ('a', 'w', '*')
                        and policy.polroles && array[0::oid, 'anon'::regrole::oid]
                )
            )
    ) then
        grant execute on function normalise_address(text), normalise_unicode_address(text), edge_bucket(uuid), default_org_id() to anon;
    end if;
end
$$;

-- Functions that the same owner makes later.
alter default privileges revoke execute on functions from public;
alter default privileges in schema public revoke execute on functions from anon, authenticated;
alter default privileges in schema public grant execute on functions to service_role, crm_relay;
