-- Functions of webhooks. Written by `make schema`: change it by a migration.


create function keep_delivery(
    whence text,
    workspace text,
    key text,
    kept_headers jsonb,
    content text,
    received timestamptz,
    marks text[],
    out id bigint,
    out erased text[]
)
    returns record
    language plpgsql
as $$
begin
    insert into public.webhook_inbox as known
        (source, workspace_name, dedupe_key, headers, body, received_at, applied_at, attempts)
    values (whence, workspace, key, kept_headers, content, received, now(), 1)
    on conflict (source, dedupe_key) do update
        set applied_at = excluded.applied_at, attempts = known.attempts + 1, error = null
        where known.applied_at is null
    returning known.id into keep_delivery.id;
    erased := public.erased_among(marks);
end
$$;
