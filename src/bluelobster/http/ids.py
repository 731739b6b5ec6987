"""Ids of things that we make: UUIDs. What is none, in a path, names nothing."""

from uuid import UUID


def parsed_id(text: str) -> UUID | None:
    """The id that a text is, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None
