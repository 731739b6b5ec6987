-- A host can be removed once nothing lives on it: what has ended keeps its name, what lives must have it.
alter table instances
    drop constraint instances_host_id_fkey,
    add column living_on text generated always as (case when ended_at is null then host_id end) stored
        references hosts;
alter table backups
    drop constraint backups_host_id_fkey,
    add column living_on text generated always as (case when ended_at is null then host_id end) stored
        references hosts;

-- Maintenance is begun and ended, never just set: it knows what it stopped, and what the host was before.
alter table hosts
    drop constraint hosts_status_check,
    add constraint hosts_status_check check (status in ('active', 'draining', 'offline', 'maintenance'));
create table maintenances (
    id              uuid primary key,
    host_id         text not null references hosts on delete cascade,
    reason          text not null,
    stops           text not null check (stops in ('none', 'shutdown', 'force')),
    status_before   text not null check (status_before in ('active', 'draining', 'offline')),
    began_at        timestamptz not null,
    expected_end_at timestamptz not null,
    ended_at        timestamptz
);
create unique index maintenances_one_a_host on maintenances (host_id) where ended_at is null;

-- Machines that a maintenance stopped, and how it asked, until they are started again.
create table maintenance_stops (
    maintenance_id  uuid not null references maintenances on delete cascade,
    instance_id     uuid not null references instances,
    stops           text not null check (stops in ('shutdown', 'force')),
    primary key (maintenance_id, instance_id)
);

-- What a request of staff said, secrets excepted.
alter table audit_log add column details jsonb;
