"""Transactions that PostgreSQL ended because two were in each other's way: nothing is wrong, one is tried again."""

from psycopg import errors

# Class 40, such as a deadlock; psycopg counts them to the operational errors, like a server that is away.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
CONFLICTS = (
    errors.TransactionRollback,
    errors.SerializationFailure,
    errors.TransactionIntegrityConstraintViolation,
    errors.StatementCompletionUnknown,
    errors.DeadlockDetected,
)
