-- What is sold besides machines, in cents.
create table prices (
    item   text primary key,
    cents  int not null check (cents >= 0)
);
insert into prices (item, cents) values ('ip_address_month', 300);

-- An internal pool is one network of a region, of which every account has its own, told apart by VLAN tags.
alter table address_pools alter column gateway drop not null;
alter table address_pools
    add column kind text not null default 'public' check (kind in ('public', 'internal')),
    add column first_tag int,
    add column last_tag int,
    add constraint address_pools_gateway check ((kind = 'public') = (gateway is not null)),
    add constraint address_pools_tags check (
        (kind = 'internal') = (first_tag is not null) and (kind = 'internal') = (last_tag is not null)),
    add check (first_tag between 2 and last_tag and last_tag <= 4094);
create unique index address_pools_one_internal on address_pools (region) where kind = 'internal';

create table account_networks (
    region      text not null references regions,
    account_id  uuid not null references accounts,
    tag         int not null,
    machines    int not null check (machines >= 0),
    primary key (region, account_id),
    unique (region, tag)
);

alter table hosts add column internal_bridge text;

-- Each address has a card of its own: the primary one card 0, one inside a network the network's tag.
alter table addresses
    add column nic int check (nic between 0 and 31),
    add column tag int,
    add column price_cents_per_month int check (price_cents_per_month >= 0);
update addresses set nic = 0 where instance_id is not null;
alter table addresses
    add check ((instance_id is null) = (nic is null)),
    add check (is_primary = (nic = 0)),
    add check (instance_id is not null or (tag is null and price_cents_per_month is null)),
    add check (tag is null or (nic > 0 and price_cents_per_month is null));
create unique index addresses_one_a_card on addresses (instance_id, nic) where instance_id is not null;
create unique index addresses_one_internal on addresses (instance_id) where tag is not null;

-- Additional addresses cost by the month, from when they can be used until they are given back.
create table address_usage_periods (
    id                     bigint generated always as identity primary key,
    account_id             uuid not null references accounts,
    instance_id            uuid not null references instances,
    address                inet not null,
    price_cents_per_month  int not null check (price_cents_per_month >= 0),
    began_at               timestamptz not null,
    ended_at               timestamptz,
    check (ended_at >= began_at),
    exclude using gist (address inet_ops with =, tstzrange(began_at, ended_at) with &&)
);
create index on address_usage_periods (account_id, began_at);
create index on address_usage_periods (instance_id) where ended_at is null;
