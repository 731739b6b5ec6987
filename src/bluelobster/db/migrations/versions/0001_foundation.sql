-- Who may

create table accounts (
    id          uuid primary key,
    name        text not null unique check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    role        text not null check (role in ('customer', 'staff')),
    created_at  timestamptz not null
);

create table api_keys (
    id           uuid primary key,
    account_id   uuid not null references accounts,
    name         text not null,
    prefix       text not null unique,
    hash         bytea not null,
    scope        text not null check (scope in ('read', 'full', 'staff')),
    created_at   timestamptz not null,
    expires_at   timestamptz,
    revoked_at   timestamptz
);
create index on api_keys (account_id);

create table ledger (
    id            bigint generated always as identity primary key,
    account_id    uuid not null references accounts,
    amount_cents  bigint not null check (amount_cents <> 0),
    reason        text not null,
    created_at    timestamptz not null
);
create index on ledger (account_id);

-- What is sold, and where

create table regions (
    name         text primary key check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    description  text not null,
    city         text not null,
    state        text not null,
    country      text not null
);

create table gpu_models (
    name         text primary key,
    marketing    text not null,
    description  text not null
);

create table templates (
    name               text primary key check (name ~ '^[A-Z0-9-]+$'),
    display_name       text not null,
    os_type            text not null check (os_type in ('linux', 'windows')),
    has_docker         boolean not null default false,
    has_nvidia_driver  boolean not null default false,
    has_agent          boolean not null default true,
    min_disk_gb        int not null check (min_disk_gb > 0),
    default_username   text not null,
    hidden             boolean not null default false
);

create table instance_types (
    name                  text primary key,
    description           text not null,
    gpu_description       text not null,
    price_cents_per_hour  int not null check (price_cents_per_hour >= 0),
    vcpus                 int not null check (vcpus > 0),
    memory_gb             int not null check (memory_gb > 0),
    disk_gb               int not null check (disk_gb > 0),
    gpus                  int not null default 0 check (gpus >= 0),
    gpu_model             text references gpu_models,
    retired               boolean not null default false,
    check ((gpus = 0) = (gpu_model is null))
);

-- A host is one Proxmox VE node. What is used is kept beside what there is, so that
-- the database itself refuses to promise more than a host has.
create table hosts (
    id                text primary key check (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    region            text not null references regions,
    api_url           text not null,
    node              text not null,
    token_sealed      bytea not null,
    fingerprint       text,
    storage           text not null,
    bridge            text not null,
    ssh_port          int not null default 22,
    status            text not null default 'active' check (status in ('active', 'draining', 'offline')),
    vcpus             int not null check (vcpus > 0),
    memory_gb         int not null check (memory_gb > 0),
    disk_gb           int not null check (disk_gb > 0),
    vcpus_used        int not null default 0,
    memory_gb_used    int not null default 0,
    disk_gb_used      int not null default 0,
    seen_at           timestamptz,
    created_at        timestamptz not null,
    unique (api_url, node),
    constraint hosts_vcpus_fit check (vcpus_used between 0 and vcpus),
    constraint hosts_memory_fits check (memory_gb_used between 0 and memory_gb),
    constraint hosts_disk_fits check (disk_gb_used between 0 and disk_gb)
);
create index on hosts (region);

create table host_templates (
    host_id   text not null references hosts on delete cascade,
    template  text not null references templates on delete cascade,
    volume    text not null,
    primary key (host_id, template)
);

create table address_pools (
    id           uuid primary key,
    region       text not null references regions,
    network      cidr not null unique,
    gateway      inet not null,
    nameservers  inet[] not null default '{}'
);

-- Instances

create sequence vmids start 100000 maxvalue 999999999;

create table instances (
    id                    uuid primary key,
    account_id            uuid not null references accounts,
    name                  text not null,
    metadata              jsonb,
    region                text not null references regions,
    host_id               text not null references hosts,
    vmid                  int not null default nextval('vmids'),
    instance_type         text references instance_types,
    template              text references templates,
    vcpus                 int not null,
    memory_gb             int not null,
    disk_gb               int not null,
    gpu_count             int not null default 0,
    gpu_model             text references gpu_models,
    price_cents_per_hour  int not null,
    username              text not null,
    ssh_key               text,
    password_hash         text,
    password_sealed       bytea,
    status                text not null check (status in ('creating', 'rented', 'terminating', 'deleted', 'failed')),
    power_status          text not null check (power_status in ('running', 'stopped', 'paused', 'unknown')),
    created_at            timestamptz not null,
    updated_at            timestamptz not null,
    ready_at              timestamptz,
    ended_at              timestamptz,
    check ((ended_at is not null) = (status in ('deleted', 'failed')))
);
create unique index instances_live_name on instances (account_id, name) where ended_at is null;
create unique index instances_live_vmid on instances (vmid) where ended_at is null;
create index on instances (account_id, created_at desc, id) where ended_at is null;
create index on instances (host_id) where ended_at is null;

create table addresses (
    address      inet primary key,
    pool_id      uuid not null references address_pools on delete cascade,
    instance_id  uuid references instances,
    is_primary   boolean,
    mac          macaddr,
    assigned_at  timestamptz,
    released_at  timestamptz,
    check ((instance_id is null) = (assigned_at is null))
);
create index on addresses (pool_id, released_at nulls first, address) where instance_id is null;
create unique index addresses_primary on addresses (instance_id) where is_primary;
create index on addresses (instance_id) where instance_id is not null;

create table gpus (
    id           uuid primary key,
    host_id      text not null references hosts on delete cascade,
    model        text not null references gpu_models,
    mapping      text not null,
    instance_id  uuid references instances,
    unique (host_id, mapping)
);
create index on gpus (instance_id) where instance_id is not null;
create index on gpus (host_id, model) where instance_id is null;

-- Readings of Proxmox's totals, the last few of each running machine: rates are what lies between them.
create table instance_samples (
    instance_id  uuid not null references instances on delete cascade,
    taken_at     timestamptz not null,
    disk_read    bigint not null,
    disk_write   bigint not null,
    net_in       bigint not null,
    net_out      bigint not null,
    uptime       bigint not null,
    primary key (instance_id, taken_at)
);

-- Durable operations: what the API shows of them. The engine's own state is in schema absurd.

create table tasks (
    id           uuid primary key,
    account_id   uuid not null references accounts,
    instance_id  uuid references instances,
    operation    text not null,
    status       text not null default 'PENDING' check (status in ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED')),
    params       jsonb not null,
    message      text not null,
    progress     int not null default 0 check (progress between 0 and 100),
    key_prefix   text,
    client_ip    inet,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    deadline_at  timestamptz not null,
    ended_at     timestamptz,
    check ((ended_at is not null) = (status in ('COMPLETED', 'FAILED')))
);
create unique index tasks_one_an_instance on tasks (instance_id) where ended_at is null;
create index on tasks (account_id, created_at desc, id);
create index on tasks (ended_at) where ended_at is not null;

-- Periodic work: one row a job, one worker a slot.
create table periodic (
    job       text primary key,
    next_run  timestamptz not null
);
