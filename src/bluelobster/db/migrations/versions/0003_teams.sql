-- A role says what a key may do: in the whole account, or in the one team that it is scoped to.

create table teams (
    id          uuid primary key,
    account_id  uuid not null references accounts,
    name        text not null,
    created_at  timestamptz not null,
    unique (account_id, id)
);
create unique index teams_name on teams (account_id, lower(name));

create table team_members (
    id          uuid primary key,
    team_id     uuid not null references teams on delete cascade,
    email       text not null,
    role        text not null check (role in ('viewer', 'member', 'admin', 'owner')),
    invited_at  timestamptz not null,
    invited_by  text
);
create unique index team_members_email on team_members (team_id, lower(email));

alter table api_keys drop constraint api_keys_scope_check;
alter table api_keys rename column scope to role;
update api_keys set role = case role when 'read' then 'viewer' when 'full' then 'owner' else role end;
alter table api_keys add check (role in ('viewer', 'member', 'admin', 'owner', 'staff'));
alter table api_keys add column team_id uuid;
alter table api_keys add foreign key (account_id, team_id) references teams (account_id, id);
alter table api_keys add constraint api_keys_staff_has_no_team check (role <> 'staff' or team_id is null);
create index on api_keys (team_id) where team_id is not null;

alter table instances add column team_id uuid;
alter table instances add foreign key (account_id, team_id) references teams (account_id, id);
create index on instances (team_id, created_at desc, id) where team_id is not null and ended_at is null;
