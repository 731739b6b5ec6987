-- Credit that customers buy through a payment provider: `open` until somebody has paid, `pending` while the money is on
-- its way. A payment has its one entry in the ledger; what was handed back is counted as the provider counts it.
create table top_ups (
    id              uuid primary key,
    account_id      uuid not null references accounts,
    key_prefix      text not null,
    amount_cents    bigint not null check (amount_cents > 0),
    status          text not null default 'open'
        check (status in ('open', 'pending', 'paid', 'refunded', 'expired', 'failed')),
    provider        text not null,
    session_id      text,
    url             text,
    payment_id      text,
    ledger_id       bigint unique references ledger,
    refunded_cents  bigint not null default 0 check (refunded_cents between 0 and amount_cents),
    disputed_at     timestamptz,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,
    ended_at        timestamptz,
    unique (provider, session_id),
    unique (provider, payment_id),
    check ((status in ('paid', 'refunded')) = (ledger_id is not null)),
    check ((status in ('open', 'pending')) = (ended_at is null)),
    check (url is null or status = 'open')
);
create index on top_ups (account_id, created_at desc, id);
create index on top_ups (expires_at) where status = 'open';

-- What a provider told, by its own number for it, and what became of it. Nothing of what was in it.
create table payment_events (
    provider     text not null,
    event_id     text not null,
    kind         text not null,
    top_up_id    uuid references top_ups,
    outcome      text,
    received_at  timestamptz not null,
    primary key (provider, event_id)
);
create index on payment_events using brin (received_at);
