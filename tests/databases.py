"""Databases of tests: one that all tests of a process have in turn, as new, and others for who changes the schema."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from uuid import uuid4

import psycopg

from kept_connections import KeptConnection

TEMPLATE = "bluelobster_template"
ADDRESS = "BLUELOBSTER_TEST_SERVER"

# Two states are kept aside, each in a schema of its own with every table under the whole name of its original: what the
# migrations wrote, and what a cloud begins with.
AS_MIGRATED, FURNISHED = "as_migrated", "furnished"
MAKE_IT_RENEWABLE = """
create schema renewal;

create table renewal.sequences (state text, name text, value bigint);

create function renewal.tables() returns setof text language sql as $$
    select format('%I.%I', n.nspname, c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'absurd') and c.relkind = 'r' and pg_relation_size(c.oid) > 0
$$;

create function renewal.keep(state text) returns void language plpgsql as $$
declare
    name text;
    is_used boolean;
begin
    execute format('create schema %I', state);
    for name in select renewal.tables() loop
        execute format('select exists (select from %s)', name) into is_used;
        if is_used then
            execute format('create table %I.%I as select * from %s', state, name, name);
        end if;
    end loop;
    insert into renewal.sequences
    select state, format('%I.%I', schemaname, sequencename), last_value from pg_sequences where last_value is not null;
end
$$;

create function renewal.renew(to_state text) returns void language plpgsql
set session_replication_role = replica as $$
declare
    name text;
begin
    for name in select renewal.tables() loop
        execute 'delete from ' || name;
    end loop;
    for name in select relname from pg_class where relnamespace = to_state::regnamespace and relkind = 'r' loop
        execute format('insert into %s overriding system value select * from %I.%I', name, to_state, name);
    end loop;
    perform setval(format('%I.%I', schemaname, sequencename), start_value, false)
    from pg_sequences where last_value is not null;
    perform setval(s.name, s.value) from renewal.sequences s where s.state = to_state;
end
$$;
"""
# A process that was killed has a backend for a moment longer.
END_THE_OTHERS = """
select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> all(%s) and pid <> pg_backend_pid()
"""
PIDS = "select pid from pg_stat_activity where datname = current_database()"


def dsn_of(name: str) -> str:
    """The address of a database of the run's server."""
    return os.environ[ADDRESS].replace("%7Bname%7D", name)


def made(name: str) -> str:
    with psycopg.connect(dsn_of("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
    return dsn_of(name)


@contextmanager
def new_database() -> Iterator[str]:
    """The address of one that is dropped again: 34 ms of processor time."""
    name = f"test_{uuid4().hex}"
    yield made(name)
    with psycopg.connect(dsn_of("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def renewed_database(state: str = AS_MIGRATED) -> str:
    """The address of this process' own, as it was when that state was kept."""
    connection = keeper()
    connection.execute(END_THE_OTHERS, (KeptConnection.pids(),))
    KeptConnection.forget_all_but({pid for (pid,) in connection.execute(PIDS)})
    connection.execute("select renewal.renew(%s)", (state,))
    return KeptConnection.database


def keep(state: str) -> None:
    """Have this process' own renewed to what it is now, whenever that state is asked for."""
    keeper().execute("select renewal.keep(%s)", (state,))


@cache
def keeper() -> psycopg.Connection:
    """The connection that renews it."""
    KeptConnection.database = made(f"shared_{uuid4().hex}")
    connection = psycopg.connect(KeptConnection.database, autocommit=True)
    connection.execute(MAKE_IT_RENEWABLE)
    connection.execute("select renewal.keep(%s)", (AS_MIGRATED,))
    return connection
