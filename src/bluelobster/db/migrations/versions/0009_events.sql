-- What happened, for those who want to be told. An event is written where it becomes true; its number, by which
-- streams are read and resumed, is given after its transaction has committed. No foreign keys: an event outlives
-- what it tells of, and writing one must lock nothing.

create table events (
    id           bigint generated always as identity primary key,
    number       bigint unique,
    account_id   uuid not null,
    team_id      uuid,
    instance_id  uuid,
    task_id      uuid,
    kind         text not null,
    data         jsonb not null,
    actor        text not null,
    created_at   timestamptz not null
);
create sequence event_numbers owned by events.number;
create index events_unnumbered on events (id) where number is null;
create index on events (account_id, number) where number is not null;
create index on events (instance_id, number) where number is not null;
create index on events using brin (created_at);

-- Who changed what, from where, and whether it was let.

create table audit_log (
    id           bigint generated always as identity primary key,
    account_id   uuid not null,
    at           timestamptz not null,
    key_prefix   text not null,
    client_ip    inet,
    request_id   text not null,
    operation    text not null,
    target       text not null,
    instance_id  uuid,
    status       int not null,
    error        text
);
create index on audit_log (account_id, at desc, id desc);
create index on audit_log (instance_id, at desc, id desc) where instance_id is not null;
create index on audit_log using brin (at);

-- Lists that are filtered by metadata.

create index instances_metadata on instances using gin (metadata jsonb_path_ops) where ended_at is null;
