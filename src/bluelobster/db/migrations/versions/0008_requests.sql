-- What was answered to a request with an Idempotency-Key. Without a status, it is not known yet.
create table request_answers (
    account_id  uuid not null references accounts,
    key_prefix  text not null,
    method      text not null,
    path        text not null,
    name        text not null,
    digest      bytea not null,
    status      int,
    body        text,
    created_at  timestamptz not null,
    primary key (account_id, key_prefix, name, method, path),
    check ((status is null) = (body is null))
);
create index on request_answers (created_at);

-- Public keys that launches name.
create table ssh_keys (
    id           uuid primary key,
    account_id   uuid not null references accounts,
    name         text not null,
    public_key   text not null,
    fingerprint  text not null,
    created_at   timestamptz not null,
    unique (account_id, name),
    unique (account_id, fingerprint)
);

-- What a customer gives cloud-init to do: sealed, because it may hold secrets, and needed at every rename.
alter table instances
    add column user_data_sealed  bytea,
    add column seed_volume       text,
    add check (user_data_sealed is null or seed_volume is not null),
    add check (user_data_sealed is null or ended_at is null);

alter table templates add column has_cloud_init boolean not null default true;
update templates set has_cloud_init = false where name = 'TINY-LINUX';
