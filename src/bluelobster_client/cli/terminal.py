"""What goes to the terminal, and what must not."""

import io
import json
import sys
import unicodedata
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Control, format (such as a change of direction), surrogate, line and paragraph separator.
UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
WIDTH_OF_A_PIPE = 10_000

COLOURS = {
    "running": "green",
    "completed": "green",
    "healthy": "green",
    "operational": "green",
    "creating": "yellow",
    "terminating": "yellow",
    "pending": "yellow",
    "processing": "yellow",
    "paused": "yellow",
    "degraded": "yellow",
    "failed": "red",
    "unhealthy": "red",
    "unavailable": "red",
    "stopped": "dim",
    "disabled": "dim",
    "unknown": "dim",
}


def clean(text: str) -> str:
    """The text on one line, without characters that could steer a terminal."""
    return "".join(_clean_character(character) for character in text).strip()


def _clean_character(character: str) -> str:
    if character in "\t\n\r":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in UNPRINTABLE else character


def replace_what_cannot_be_shown() -> None:
    """Makes a terminal that cannot show a character show another one, instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def screen(*, stderr: bool = False) -> Console:
    """Standard output, or standard error; never cut to a width where it is no terminal."""
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=WIDTH_OF_A_PIPE)
    return console


def say(text: str) -> None:
    """One line of progress, on standard error: standard output is for results."""
    click.echo(clean(text), err=True)


def print_json(value: object) -> None:
    """The API's answer as it is; anything but ASCII is escaped, which keeps control characters harmless."""
    click.echo(json.dumps(value, indent=2))


def state(text: str | None) -> Text:
    """A state in its colour."""
    word = clean(text or "unknown")
    return Text(word, style=COLOURS.get(word.lower(), ""))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str | Text]], *, right: Sequence[str] = ()) -> None:
    """Aligned columns without lines; those named in `right` are aligned to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else clean(cell) for cell in row))
    screen().print(table)


def facts(title: str, pairs: Sequence[tuple[str, str | Text | None]]) -> Text:
    """A title and an indented list of name and value; what is None is left out."""
    known = [(clean(name), value) for name, value in pairs if value is not None]
    width = max(len(name) for name, _ in known)
    lines = [Text(clean(title), style="bold")]
    for name, value in known:
        label = Text(f"  {name:<{width}}  ", style="dim")
        lines.append(Text.assemble(label, value if isinstance(value, Text) else clean(value)))
    return Text("\n").join(lines)


def print_facts(title: str, pairs: Sequence[tuple[str, str | Text | None]]) -> None:
    """Prints `facts`. Lines are never wrapped or cut, so that a command can be copied."""
    screen().print(facts(title, pairs), soft_wrap=True)
