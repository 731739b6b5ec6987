-- Everybody's terms, in one row: for how many hours there must be credit before something is launched, at how many hours
-- left there is a warning, and how long it takes from owing to shutting down, and from there to deleting.
create table billing_terms (
    only_one              boolean primary key default true check (only_one),
    launch_hours          int not null default 1 check (launch_hours between 0 and 8760),
    warning_hours         int[] not null default '{168,72,24}' check (0 < all (warning_hours)),
    shutdown_after_hours  int not null default 24 check (shutdown_after_hours between 0 and 8760),
    deletion_after_hours  int not null default 336 check (deletion_after_hours between 0 and 8760)
);
insert into billing_terms default values;

-- How an account pays, how much it may owe, and how it stands. `next_step_at` is when the next step is taken, as its
-- people were told. Nothing is ever enforced against staff, and against who is exempt.
alter table accounts
    add column pays                  text not null default 'prepaid' check (pays in ('prepaid', 'invoice')),
    add column credit_limit_cents    bigint not null default 0 check (credit_limit_cents >= 0),
    add column exempt                boolean not null default false,
    add column spending_limit_cents  bigint check (spending_limit_cents >= 0),
    add column standing              text not null default 'good'
        check (standing in ('good', 'past_due', 'suspended', 'terminated')),
    add column next_step_at          timestamptz,
    add column warned_hours          int,
    add column limit_told            date,
    add check (pays = 'invoice' or credit_limit_cents = 0),
    add check ((standing in ('past_due', 'suspended')) = (next_step_at is not null));
alter table teams
    add column spending_limit_cents  bigint check (spending_limit_cents >= 0),
    add column limit_told            date;

-- When a machine was first asked to shut down because its account owes; null again once it may run.
alter table instances add column suspended_at timestamptz;
create index on instances (account_id) where suspended_at is not null;

-- What an account's things cost at the moment, in cents for a month of 730 hours.
create view running_costs as
select account_id, sum(cents) as cents_per_month
from (select account_id, price_cents_per_hour::numeric * 730 as cents
      from usage_periods where not settled and ended_at is null
      union all
      select account_id, price_cents_per_month from address_usage_periods where not settled and ended_at is null
      union all
      select account_id, price_cents_per_month::numeric * size_bytes / 1073741824
      from backup_usage_periods where not settled and ended_at is null) as costs
group by account_id;

-- What an account can spend before it owes more than it may, and for how many whole hours that lasts (null: for ever).
create view means as
select a.id as account_id, a.exempt or a.role = 'staff' as exempt, b.cents + a.credit_limit_cents as available_cents,
       case when c.cents_per_month > 0 and b.cents + a.credit_limit_cents >= 0
            then least(div((b.cents + a.credit_limit_cents) * 730, c.cents_per_month), 1000000)::int end as hours_left
from accounts a join balances b on b.account_id = a.id left join running_costs c on c.account_id = a.id;

-- What an account, and each of its teams, was charged in a month.
create function charged_to_account(account uuid, in_month date) returns bigint language sql stable
    return (select coalesce(-sum(amount_cents), 0)::bigint from ledger
            where account_id = account and month = in_month and kind = 'charge');
create function charged_to_team(account uuid, team uuid, in_month date) returns bigint language sql stable
    return (select coalesce(sum(amount_cents), 0)::bigint from charges
            where account_id = account and team_id = team
              and day >= in_month and day < (in_month + interval '1 month')::date);
