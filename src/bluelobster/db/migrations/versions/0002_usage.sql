create extension if not exists btree_gist;

-- A period is open until the thing is given back; two of one instance can never overlap.
create table usage_periods (
    id                    bigint generated always as identity primary key,
    account_id            uuid not null references accounts,
    instance_id           uuid not null references instances,
    price_cents_per_hour  int not null check (price_cents_per_hour >= 0),
    began_at              timestamptz not null,
    ended_at              timestamptz,
    check (ended_at >= began_at),
    exclude using gist (instance_id with =, tstzrange(began_at, ended_at) with &&)
);
create index on usage_periods (account_id, began_at);

-- Machines that are ready already have been used since then.
insert into usage_periods (account_id, instance_id, price_cents_per_hour, began_at, ended_at)
select account_id, id, price_cents_per_hour, ready_at, ended_at from instances where ready_at is not null;

-- Which address a machine had, for its history: the address itself goes to others.
alter table instances add column address text;
update instances i set address = host(a.address) || '/' || masklen(p.network)
from addresses a join address_pools p on p.id = a.pool_id where a.instance_id = i.id and a.is_primary;
