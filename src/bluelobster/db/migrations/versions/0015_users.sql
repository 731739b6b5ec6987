-- Somebody who signs in. `prefix` is what they are called where a key's prefix would stand. An address is verified once
-- its owner came by it: through the identity provider, or by the operator's word. Without a password they sign in
-- through the provider only, or not yet.
create table users (
    id             uuid primary key,
    email          text not null,
    prefix         text not null unique,
    password_hash  text,
    verified_at    timestamptz,
    created_at     timestamptz not null,
    disabled_at    timestamptz
);
create unique index users_email on users (lower(email));
create index on users (created_at desc, id);

create table user_identities (
    issuer     text not null,
    subject    text not null,
    user_id    uuid not null references users on delete cascade,
    linked_at  timestamptz not null,
    primary key (issuer, subject),
    unique (issuer, user_id)
);
create index on user_identities (user_id);

-- Who may act in the whole account. As in a team, an invitation is somebody's once they took it: then it has their id.
create table account_members (
    id          uuid primary key,
    account_id  uuid not null references accounts,
    email       text not null,
    role        text not null check (role in ('viewer', 'member', 'admin', 'owner', 'staff')),
    invited_at  timestamptz not null,
    invited_by  text,
    user_id     uuid references users on delete cascade
);
create unique index account_members_email on account_members (account_id, lower(email));
create index on account_members (lower(email));
create index on account_members (user_id);

alter table team_members add column user_id uuid references users on delete cascade;
create index on team_members (lower(email));
create index on team_members (user_id);

-- Where somebody may act: in a whole account, or in one of its teams.
create view places as
    select m.user_id, a.id as account_id, a.name as account, m.role, null::uuid as team_id, null::text as team
    from account_members m join accounts a on a.id = m.account_id
    where a.closed_at is null
    union all
    select m.user_id, a.id, a.name, m.role, t.id, t.name
    from team_members m join teams t on t.id = m.team_id join accounts a on a.id = t.account_id
    where a.closed_at is null;

-- The token itself is in nobody's hands but the user's.
create table sessions (
    id          uuid primary key,
    hash        bytea not null unique,
    user_id     uuid not null references users on delete cascade,
    created_at  timestamptz not null,
    seen_at     timestamptz not null,
    expires_at  timestamptz not null,
    seen_ip     inet,
    user_agent  text not null
);
create index on sessions (user_id, created_at desc);
create index on sessions (expires_at);

-- Each is good for one use: to set a user's password, or to take one invitation.
create table one_time_tokens (
    hash               bytea primary key,
    user_id            uuid references users on delete cascade,
    account_member_id  uuid references account_members on delete cascade,
    team_member_id     uuid references team_members on delete cascade,
    created_at         timestamptz not null,
    expires_at         timestamptz not null,
    check (num_nonnulls(user_id, account_member_id, team_member_id) = 1)
);
create index on one_time_tokens (user_id);
create index on one_time_tokens (account_member_id);
create index on one_time_tokens (team_member_id);
create index on one_time_tokens (expires_at);

-- Ways to the identity provider that were begun and are not ended; nobody comes back twice by the same.
create table oidc_attempts (
    state_hash  bytea primary key,
    expires_at  timestamptz not null
);
create index on oidc_attempts (expires_at);
