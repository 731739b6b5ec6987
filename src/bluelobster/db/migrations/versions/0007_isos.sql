-- A machine boots from a template or from an ISO image. What is shown of the image's address is its host and file;
-- the whole of it may hold a token, and rests sealed until the image was fetched.
alter table instances
    add column iso_name        text,
    add column iso_volume      text,
    add column iso_url_sealed  bytea,
    add check (iso_volume is null or template is null),
    add check (iso_url_sealed is null or iso_volume is not null);

-- Where a host keeps ISO images; null where it boots none.
alter table hosts add column iso_storage text;

-- What a template's hardware must have: `ostype` in Proxmox's words, where it is not its family's usual one.
alter table templates
    add column ostype  text check (ostype ~ '^[a-z0-9]+$'),
    add column uefi    boolean not null default false,
    add column tpm     boolean not null default false,
    add check (uefi or not tpm);
