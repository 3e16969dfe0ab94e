-- A link signs somebody in to the page once: it is kept as a hash, for minutes, and makes a token of a day.
set local lock_timeout = '5s';

create table if not exists sign_in_links (
    sha256 text primary key,
    role text not null check (role in ('read', 'operate', 'admin')),
    user_id uuid references user_profiles (id) on delete cascade,
    created_by text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
select secure_table('sign_in_links');

comment on table sign_in_links is 'Links that sign in to the operator''s page, by the SHA-256 of their code; each is used once.';
