-- Tables of platform. Written by `make schema`: change it by a migration.


create table installation_settings (
    key   text primary key,
    value text not null
);

alter table installation_settings enable row level security;
create policy service_role_all on installation_settings to crm_relay, service_role using (true) with check (true);

grant all on installation_settings to crm_relay, service_role;
