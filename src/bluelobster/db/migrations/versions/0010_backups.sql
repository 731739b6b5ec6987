-- Where a host's machines are backed up to: in production a Proxmox Backup Server, under one name in all of a region.
alter table hosts add column backup_storage text;

-- A machine that is restored is made anew under another number, and takes the place of the old one when it is whole;
-- until it has proved itself, the old one is kept. While one firewall becomes the other's, nobody may change it.
alter table instances
    add column restoring_vmid int,
    add column replaced_vmid int,
    add column firewall_held boolean not null default false;
create unique index instances_restoring_vmid on instances (restoring_vmid);

-- Changes of firewalls that are under way.
create table firewall_changes (
    id           uuid primary key,
    instance_id  uuid not null references instances,
    began_at     timestamptz not null
);
create index on firewall_changes (instance_id);

-- Machines that were replaced, until they are gone. They keep their room on the host until then.
create table replaced_machines (
    vmid         int primary key,
    host_id      text not null references hosts,
    instance_id  uuid not null references instances,
    disk_gb      int not null check (disk_gb > 0),
    replaced_at  timestamptz not null
);

-- Backups outlive their instance.
create table backups (
    id            uuid primary key,
    account_id    uuid not null references accounts,
    instance_id   uuid not null references instances,
    host_id       text not null references hosts,
    vmid          int not null,
    storage       text not null,
    volid         text,
    status        text not null check (status in ('creating', 'available', 'deleting', 'deleted', 'failed', 'lost')),
    scheduled     boolean not null default false,
    protected     boolean not null default false,
    disk_gb       int not null check (disk_gb > 0),
    template      text references templates,
    size_bytes    bigint check (size_bytes >= 0),
    stored_bytes  bigint check (stored_bytes >= 0),
    format        text,
    notes         text,
    requested_at  timestamptz not null,
    created_at    timestamptz,
    ended_at      timestamptz,
    check (status not in ('available', 'deleting') or (volid, size_bytes, format, created_at) is not null),
    check ((status in ('deleted', 'failed', 'lost')) = (ended_at is not null))
);
create unique index backups_live_volid on backups (volid) where ended_at is null;
create index on backups (account_id, created_at desc, id) where ended_at is null;
create index on backups (instance_id) where ended_at is null;

-- The deletion of a backup is no operation on its instance.
alter table tasks
    add column backup_id uuid references backups,
    add column holds_instance boolean not null default true;
drop index tasks_one_an_instance;
create unique index tasks_one_an_instance on tasks (instance_id) where ended_at is null and holds_instance;
create index on tasks (backup_id) where ended_at is null;

create table backup_schedules (
    instance_id   uuid primary key references instances,
    frequency     text not null check (frequency in ('daily', 'weekly', 'monthly')),
    hour_utc      int not null check (hour_utc between 0 and 23),
    day_of_week   int check (day_of_week between 0 and 6),
    day_of_month  int check (day_of_month between 1 and 31),
    enabled       boolean not null default true,
    keep_last     int check (keep_last > 0),
    keep_daily    int check (keep_daily > 0),
    keep_weekly   int check (keep_weekly > 0),
    keep_monthly  int check (keep_monthly > 0),
    next_run_at   timestamptz not null,
    last_run_at   timestamptz,
    last_status   text,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    check ((frequency = 'weekly') = (day_of_week is not null)),
    check ((frequency = 'monthly') = (day_of_month is not null))
);
create index on backup_schedules (next_run_at) where enabled;

-- A slot is a moment at which a schedule asks for a backup: it is taken once, whoever takes it.
create table backup_slots (
    instance_id  uuid not null references instances,
    slot_at      timestamptz not null,
    outcome      text not null check (outcome in ('started', 'missed')),
    backup_id    uuid references backups,
    primary key (instance_id, slot_at),
    check ((outcome = 'started') = (backup_id is not null))
);

-- Stored backups cost by the month and by their size as their storage reports it.
insert into prices (item, cents) values ('backup_gb_month', 5);

create table backup_usage_periods (
    id                     bigint generated always as identity primary key,
    account_id             uuid not null references accounts,
    instance_id            uuid not null references instances,
    backup_id              uuid not null references backups,
    size_bytes             bigint not null check (size_bytes >= 0),
    price_cents_per_month  int not null check (price_cents_per_month >= 0),
    began_at               timestamptz not null,
    ended_at               timestamptz,
    check (ended_at >= began_at),
    exclude using gist (backup_id with =, tstzrange(began_at, ended_at) with &&)
);
create index on backup_usage_periods (account_id, began_at);
