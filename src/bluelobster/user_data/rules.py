"""User data: what a customer gives cloud-init to do at a machine's first boot. What cloud-init would pass over in
silence is refused at the launch."""

import re
from email import message_from_string
from email.message import Message
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator

LARGEST = 64 * 1024
# Cloud-init's own reader gives up at some hundred levels, and libyaml ends the process at some ten thousand.
DEEPEST = 50
MULTIPART = re.compile(r"(content-type|mime-version):", re.IGNORECASE)
PART_OF_PARTS = re.compile(r"^content-type:\s*multipart/", re.IGNORECASE | re.MULTILINE)
CONTENT_HEADER = re.compile(r"^content-[\w-]+:.*(?:\n[ \t].*)*", re.IGNORECASE | re.MULTILINE)
SCRIPT = re.compile(r"#!\s*/\S")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
Kind = Literal["script", "cloud-config", "multipart"]

# Safe: it makes plain values only. The one in C, because a slow one would hold everybody up.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


# A few lines of aliases of aliases could stand for more settings than there is memory.
MOST_ALIASES = 50
# Python's reader of mail looks at a line's parameters again for each of them.
LONGEST_HEADER = 1000


class TooMuch(ValueError):
    """Settings in settings in settings, or many times over."""


def checked_user_data(text: str | None) -> str | None:
    """The text with line ends as Linux has them; None for an empty one. ValueError says what is wrong, and in which
    line, and repeats nothing of it."""
    if text is None or not text.strip():
        return None
    text = text.replace("\r\n", "\n")
    if len(text.encode()) > LARGEST:
        raise ValueError(f"user data may have at most {LARGEST // 1024} KiB")
    kind = kind_of(text)
    if kind == "cloud-config":
        config_of(text)
    if kind == "multipart":
        _check_parts(text)
    return text


def kind_of(text: str) -> Kind:
    """What cloud-init would take it for; ValueError for nothing that it runs."""
    first = text.partition("\n")[0]
    if SCRIPT.match(first):
        return "script"
    if first.rstrip() == "#cloud-config":
        return "cloud-config"
    if MULTIPART.match(first):
        return "multipart"
    raise ValueError(
        "user data must begin with #cloud-config or #!/path/of/an/interpreter, or be a MIME multipart message; in "
        "clear, neither base64 nor compressed"
    )


def config_of(text: str) -> dict[str, Any]:
    """The settings in a `#cloud-config` document."""
    try:
        _check_size(text)
        parsed = yaml.load(text, Loader)  # noqa: S506 - the loader is a safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{where}{QUOTED.sub('…', error.problem or 'this is not YAML')}") from None
    except TooMuch:
        raise
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, ValueError):
        raise ValueError("this is not YAML that cloud-init can read") from None
    if parsed is None:
        return {}
    if not isinstance(parsed, dict) or not all(isinstance(key, str) for key in parsed):
        raise ValueError("#cloud-config must hold settings by name, such as runcmd: […]")
    return parsed


def _check_size(text: str) -> None:
    """Before anything is made of the text: its events come one by one, and as far as is looked."""
    named: list[bool] = []
    aliases = 0
    for event in yaml.parse(text, Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            named.append(event.anchor is not None)
        elif isinstance(event, yaml.CollectionEndEvent):
            named.pop()
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if any(named):
                raise TooMuch("what has an anchor (&) may not hold an alias (*)")
        if len(named) > DEEPEST:
            raise TooMuch(f"settings may be nested at most {DEEPEST} levels deep")
        if aliases > MOST_ALIASES:
            raise TooMuch(f"aliases (*) may be used at most {MOST_ALIASES} times")


def _check_parts(text: str) -> None:
    if len(PART_OF_PARTS.findall(text)) > DEEPEST:
        raise ValueError(f"a MIME message may have at most {DEEPEST} parts that have parts")
    if any(len(header) > LONGEST_HEADER for header in CONTENT_HEADER.findall(text)):
        raise ValueError(f"a Content header of a MIME message may have at most {LONGEST_HEADER} characters")
    message = message_from_string(text)
    parts = [part for part in message.walk() if not part.is_multipart()]
    if not message.is_multipart() or message.defects or not parts:
        raise ValueError("the MIME message must be a complete multipart: is its boundary there, and its last line?")
    for number, part in enumerate(parts, 1):
        if part.get_content_type() == "text/cloud-config":
            try:
                config_of(_content(part))
            except ValueError as error:
                raise ValueError(f"part {number}: {error}") from None


def _content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode(errors="replace") if isinstance(payload, bytes) else ""


UserData = Annotated[str | None, AfterValidator(checked_user_data)]
