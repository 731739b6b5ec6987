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
SCRIPT = re.compile(r"#!\s*/\S")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
Kind = Literal["script", "cloud-config", "multipart"]

# Safe: it makes plain values only. The one in C, because a slow one would hold everybody up.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class TooDeep(ValueError):
    """Settings in settings in settings."""


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
        _check_depth(text)
        parsed = yaml.load(text, Loader)  # noqa: S506 - the loader is a safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{where}{QUOTED.sub('…', error.problem or 'this is not YAML')}") from None
    except TooDeep:
        raise
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ValueError("this is not YAML that cloud-init can read") from None
    if parsed is None:
        return {}
    if not isinstance(parsed, dict) or not all(isinstance(key, str) for key in parsed):
        raise ValueError("#cloud-config must hold settings by name, such as runcmd: […]")
    return parsed


def _check_depth(text: str) -> None:
    """Before anything is made of the text: its events come one by one, and as far as is looked."""
    depth = 0
    for event in yaml.parse(text, Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise TooDeep(f"settings may be nested at most {DEEPEST} levels deep")


def _check_parts(text: str) -> None:
    if len(PART_OF_PARTS.findall(text)) > DEEPEST:
        raise ValueError(f"a MIME message may have at most {DEEPEST} parts that have parts")
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
