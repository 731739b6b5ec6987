-- Where a key may be used from (null: from anywhere), when and from where it last was, to the minute; and the secret
-- that it had before it was rotated, while both are good.
alter table api_keys
    add column allowed_networks  cidr[] check (allowed_networks <> '{}'),
    add column last_used_at      timestamptz,
    add column last_used_ip      inet,
    add column rotated_at        timestamptz,
    add column old_hash          bytea,
    add column old_until         timestamptz,
    add check ((old_hash is null) = (old_until is null));

-- Nobody gets into a closed account.
alter table accounts add column closed_at timestamptz;
create index on accounts (created_at desc, id);

-- How much an account may have: its own limits, or else everybody's (without an account); null is no limit. Of GPUs,
-- one of a model goes before one of each model.
create table quotas (
    account_id  uuid references accounts,
    item        text not null check (item in ('instances', 'vcpus', 'memory_gb', 'gpus', 'addresses', 'backups')),
    gpu_model   text references gpu_models,
    most        int check (most >= 0),
    unique nulls not distinct (account_id, item, gpu_model),
    check (gpu_model is null or item = 'gpus')
);
insert into quotas (item, most) values
    ('instances', 200), ('vcpus', 2000), ('memory_gb', 8000), ('gpus', 32), ('addresses', 100), ('backups', 2000);
