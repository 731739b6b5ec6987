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

# What the migrations wrote is kept aside, each table under the whole name of its original.
MAKE_IT_RENEWABLE = """
create schema renewal;

create function renewal.tables() returns setof text language sql as $$
    select format('%I.%I', n.nspname, c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'absurd') and c.relkind = 'r' and pg_relation_size(c.oid) > 0
$$;

create function renewal.renew() returns void language plpgsql
set session_replication_role = replica as $$
declare
    name text;
begin
    for name in select renewal.tables() loop
        execute 'delete from ' || name;
    end loop;
    for name in select relname from pg_class where relnamespace = 'renewal'::regnamespace and relkind = 'r' loop
        execute format('insert into %s overriding system value select * from renewal.%I', name, name);
    end loop;
    perform setval(format('%I.%I', schemaname, sequencename), start_value, false)
    from pg_sequences where last_value is not null;
end
$$;

do $$
declare
    name text;
begin
    for name in select renewal.tables() loop
        execute format('create table renewal.%I as select * from %s', name, name);
    end loop;
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


def renewed_database() -> str:
    """The address of this process' own, in which nothing is but what migrations write."""
    connection = keeper()
    connection.execute(END_THE_OTHERS, (KeptConnection.pids(),))
    KeptConnection.forget_all_but({pid for (pid,) in connection.execute(PIDS)})
    connection.execute("select renewal.renew()")
    return KeptConnection.database


@cache
def keeper() -> psycopg.Connection:
    """The connection that renews it."""
    KeptConnection.database = made(f"shared_{uuid4().hex}")
    connection = psycopg.connect(KeptConnection.database, autocommit=True)
    connection.execute(MAKE_IT_RENEWABLE)
    return connection
