-- A ticket opens the console of one instance, once, within seconds. Whoever has it needs no API key.
create table console_tickets (
    id               uuid primary key,
    instance_id      uuid not null references instances on delete cascade,
    ticket_hash      bytea not null unique,
    password_sealed  bytea not null,
    expires_at       timestamptz not null,
    used_at          timestamptz
);
create index on console_tickets (expires_at);
create index on console_tickets (instance_id);
