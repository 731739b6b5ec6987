"""Transactions that PostgreSQL ended because two were in each other's way: nothing is wrong, one is tried again."""

from psycopg import Error


def is_conflict(error: Error) -> bool:
    """A deadlock or a failed serialization; psycopg counts them to the operational errors, like a server that is away.
    https://www.postgresql.org/docs/current/errcodes-appendix.html"""
    return (error.sqlstate or "").startswith("40")
