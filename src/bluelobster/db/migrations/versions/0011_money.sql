-- Money: whole cents, and integers all the way to them.

-- A price holds for a time; what is begun meanwhile keeps it.
alter table prices rename to prices_until_now;
create table prices (
    item           text not null check (item in ('instance_hour', 'ip_address_month', 'backup_gb_month')),
    instance_type  text references instance_types,
    cents          int not null check (cents >= 0),
    during         tstzrange not null check (not isempty(during)),
    check ((item = 'instance_hour') = (instance_type is not null)),
    exclude using gist (item with =, coalesce(instance_type, '') with =, during with &&)
);
insert into prices (item, cents, during) select item, cents, '(,)' from prices_until_now;
insert into prices (item, instance_type, cents, during)
select 'instance_hour', name, price_cents_per_hour, '(,)' from instance_types;
drop table prices_until_now;
alter table instance_types drop column price_cents_per_hour;

-- How use is counted: in steps of so many seconds, at least so many of them. A period keeps what it began with.
create table billing_steps (
    kind          text primary key check (kind in ('instance', 'address', 'backup')),
    step_seconds  int not null check (step_seconds between 1 and 86400),
    least_steps   int not null check (least_steps between 0 and 100)
);
insert into billing_steps (kind, step_seconds, least_steps)
values ('instance', 1800, 1), ('address', 3600, 1), ('backup', 1, 0);

-- What of a period is charged already; `settled` when it is over and nothing is left to charge.
alter table usage_periods
    add column step_seconds   int not null default 1800 check (step_seconds > 0),
    add column least_steps    int not null default 1 check (least_steps >= 0),
    add column charged_to     timestamptz,
    add column charged_steps  bigint not null default 0,
    add column charged_cents  bigint not null default 0,
    add column settled        boolean not null default false,
    add check (charged_to >= began_at and charged_to <= coalesce(ended_at, 'infinity')),
    add check (ended_at is not null or not settled);
alter table address_usage_periods
    add column step_seconds   int not null default 3600 check (step_seconds > 0),
    add column least_steps    int not null default 1 check (least_steps >= 0),
    add column charged_to     timestamptz,
    add column charged_steps  bigint not null default 0,
    add column charged_cents  bigint not null default 0,
    add column settled        boolean not null default false,
    add check (charged_to >= began_at and charged_to <= coalesce(ended_at, 'infinity')),
    add check (ended_at is not null or not settled);
alter table backup_usage_periods
    add column step_seconds   int not null default 1 check (step_seconds > 0),
    add column least_steps    int not null default 0 check (least_steps >= 0),
    add column charged_to     timestamptz,
    add column charged_steps  bigint not null default 0,
    add column charged_cents  bigint not null default 0,
    add column settled        boolean not null default false,
    add check (charged_to >= began_at and charged_to <= coalesce(ended_at, 'infinity')),
    add check (ended_at is not null or not settled);
-- Room for the next version of a row beside it, which then needs no new entries in the indexes.
alter table usage_periods set (fillfactor = 60);
alter table address_usage_periods set (fillfactor = 60);
alter table backup_usage_periods set (fillfactor = 60);
create index on usage_periods (account_id) where not settled;
create index on address_usage_periods (account_id) where not settled;
create index on backup_usage_periods (account_id) where not settled;
create index on usage_periods (instance_id);

-- Steps of a period up to a moment: whole ones while it lasts, the nearest number once it is over. It only ever grows.
create function billed_steps(
    began timestamptz, ended timestamptz, until timestamptz, step_seconds int, least_steps int
) returns bigint language sql immutable parallel safe return
    case
        when ended <= until
            then greatest(least_steps, (floor(extract(epoch from ended - began))::bigint + step_seconds / 2) / step_seconds)
        when extract(epoch from until - began) < step_seconds * least_steps then 0
        else floor(extract(epoch from until - began))::bigint / step_seconds
    end;

-- What steps cost at so many cents for a number of them, to the nearest cent.
create function billed_cents(steps bigint, cents numeric, for_steps numeric) returns bigint
    language sql immutable parallel safe return div(2 * steps * cents + for_steps, 2 * for_steps)::bigint;

create function due_steps(p usage_periods, until timestamptz) returns bigint language sql immutable parallel safe
    return billed_steps(p.began_at, p.ended_at, until, p.step_seconds, p.least_steps);
create function due_steps(p address_usage_periods, until timestamptz) returns bigint language sql immutable parallel safe
    return billed_steps(p.began_at, p.ended_at, until, p.step_seconds, p.least_steps);
create function due_steps(p backup_usage_periods, until timestamptz) returns bigint language sql immutable parallel safe
    return billed_steps(p.began_at, p.ended_at, until, p.step_seconds, p.least_steps);

-- A month of a price has 730 hours, a twelfth of a year, whatever the calendar says. A GB is 2^30 bytes, as shown.
create function cents_of(p usage_periods, steps bigint) returns bigint language sql immutable parallel safe
    return billed_cents(steps, p.price_cents_per_hour::numeric * p.step_seconds, 3600);
create function cents_of(p address_usage_periods, steps bigint) returns bigint language sql immutable parallel safe
    return billed_cents(steps, p.price_cents_per_month::numeric * p.step_seconds, 730 * 3600);
create function cents_of(p backup_usage_periods, steps bigint) returns bigint language sql immutable parallel safe
    return billed_cents(
        steps, p.price_cents_per_month::numeric * p.step_seconds * p.size_bytes, 730 * 3600 * 1073741824.0);

-- Up to where an account's use is charged, and the first month whose invoice is not closed (null: none is).
-- Whoever writes an account's money holds its row.
alter table accounts
    add column charged_to  timestamptz,
    add column open_month  date check (extract(day from open_month) = 1);

-- `payment` came in, `credit` is a gift, `charge` is for use, `refund` was handed back, `adjustment` puts something right.
alter table ledger
    add column kind   text not null default 'adjustment'
        check (kind in ('payment', 'credit', 'charge', 'refund', 'adjustment')),
    add column month  date;
update ledger set month = date_trunc('month', created_at at time zone 'UTC'),
                  kind = case when amount_cents > 0 then 'credit' else 'adjustment' end;
alter table ledger
    alter column kind drop default,
    alter column month set not null,
    add check (extract(day from month) = 1),
    add constraint ledger_sign check (case
        when kind in ('payment', 'credit') then amount_cents > 0
        when kind in ('charge', 'refund') then amount_cents < 0 else true end);
drop index ledger_account_id_idx;
create index on ledger (account_id, month);

-- An entry belongs to the month that it says, or else that it was written in, or to the first that is still open.
create function book_entry() returns trigger language plpgsql as $$
declare
    first_open date;
begin
    select open_month into first_open from accounts where id = new.account_id for no key update;
    new.month := greatest(
        coalesce(new.month, date_trunc('month', new.created_at at time zone 'UTC')::date), first_open);
    return new;
end $$;
create trigger book_entry before insert on ledger for each row execute function book_entry();

-- A stretch of a period that was charged, with the entry that it is part of: none for what cost nothing.
-- No moment of a period can be charged twice. `seconds` are those of the steps, `day` is where it is counted.
-- One statement writes thousands of these with their entries, and none is ever deleted: foreign keys would tell nothing.
create table charges (
    account_id    uuid not null,
    team_id       uuid,
    instance_id   uuid not null,
    kind          text not null,
    period_id     bigint not null,
    during        tstzrange not null check (not isempty(during)),
    seconds       bigint not null check (seconds >= 0),
    amount_cents  bigint not null check (amount_cents >= 0),
    day           date not null,
    ledger_id     bigint,
    check (kind in ('instance', 'address', 'backup')),
    check (amount_cents = 0 or ledger_id is not null),
    exclude using gist (period_id with =, during with &&) where (kind = 'instance'),
    exclude using gist (period_id with =, during with &&) where (kind = 'address'),
    exclude using gist (period_id with =, during with &&) where (kind = 'backup')
);
create index on charges (account_id, day);

-- One invoice an account and month, with a number that leaves no gap in its year.
create table invoice_numbers (
    year  int primary key,
    last  int not null
);
create table invoices (
    id              uuid primary key,
    number          text not null unique,
    account_id      uuid not null references accounts,
    account_name    text not null,
    month           date not null check (extract(day from month) = 1),
    opening_cents   bigint not null,
    charged_cents   bigint not null check (charged_cents >= 0),
    credited_cents  bigint not null,
    closing_cents   bigint not null,
    issued_at       timestamptz not null,
    unique (account_id, month),
    check (closing_cents = opening_cents + credited_cents - charged_cents)
);
create table invoice_lines (
    invoice_id     uuid not null references invoices,
    position       int not null,
    kind           text not null,
    instance_id    uuid not null,
    instance_name  text not null,
    detail         text not null,
    size_bytes     bigint,
    price_cents    int not null,
    unit           text not null,
    began_at       timestamptz not null,
    ended_at       timestamptz not null,
    seconds        bigint not null,
    amount_cents   bigint not null,
    primary key (invoice_id, position)
);

-- The sum of an account's entries; of the months that are closed, the last invoice knows it.
create view balances as
select a.id as account_id, coalesce(i.closing_cents, 0) + coalesce(l.cents, 0) as cents
from accounts a
left join lateral (
    select closing_cents from invoices where account_id = a.id order by month desc limit 1) i on true
left join lateral (
    select sum(amount_cents)::bigint as cents from ledger
    where account_id = a.id and month >= coalesce(a.open_month, '-infinity')) l on true;

-- What is written here stays.
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise integrity_constraint_violation using message = tg_table_name || ' is append-only';
end $$;
create trigger append_only before update or delete or truncate on ledger
    for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on charges
    for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on invoices
    for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on invoice_lines
    for each statement execute function refuse_change();
