"""Lines for the person at the terminal."""

import sys


def say(text: str, *, error: bool = False) -> None:
    """One line, at once."""
    print(text, file=sys.stderr if error else sys.stdout, flush=True)
