"""Errors in words for someone who sees them for the first time."""

from collections.abc import Set

from bluelobster_client.cli.stop import EXIT_FAILED, EXIT_NOT_FOUND, EXIT_NOT_PERMITTED, EXIT_USAGE, Stop
from bluelobster_client.errors import (
    AnswerLost,
    ApiError,
    BlueLobsterError,
    CannotConnect,
    Forbidden,
    InvalidRequest,
    NotFound,
    ServerFault,
    TooManyRequests,
    Unauthorized,
)
from bluelobster_client.wire import is_loopback

# A wrong value, as opposed to a right one that does not fit the moment.
USAGE_CODES = {"validation_error", "invalid_request", "invalid_name"}

OPTION_OF_FIELD = {
    "region": "--region",
    "instance_type": "--type",
    "ssh_key": "--ssh-key",
    "ssh_key_names": "--key-name",
    "user_data": "--user-data",
    "password": "--password",
    "username": "--username",
    "name": "--name",
    "metadata": "--metadata",
    "template_name": "--template",
    "limit": "--limit",
    "days": "--days",
    "status": "--status",
}


def explain(error: BlueLobsterError, program: str, options: Set[str]) -> Stop:
    """What to end the command with, in one or two lines. A refused field is named by its option, if among `options`."""
    if isinstance(error, AnswerLost):
        return Stop(
            f"The connection to {error.api_url} ended before the answer: {error.reason}.\n"
            f"The request may have been carried out: look with `{program} list` and `{program} tasks`.",
            EXIT_FAILED,
        )
    if isinstance(error, CannotConnect):
        return Stop(f"{sentence(str(error))}\n{reach_hint(error.api_url, program)}", EXIT_FAILED)
    if isinstance(error, ApiError):
        return Stop(api_text(error, options), exit_code(error))
    return Stop(sentence(str(error)), EXIT_FAILED)


def reach_hint(api_url: str, program: str) -> str:
    if is_loopback(api_url):
        return f"Is it running? Start it with `{program} up`."
    return "Is the address right (BLUELOBSTER_API_URL), and is this machine online?"


def exit_code(error: ApiError) -> int:
    if isinstance(error, NotFound):
        return EXIT_NOT_FOUND
    if isinstance(error, Unauthorized | Forbidden):
        return EXIT_NOT_PERMITTED
    if isinstance(error, InvalidRequest) and error.code in USAGE_CODES:
        return EXIT_USAGE
    return EXIT_FAILED


def api_text(error: ApiError, options: Set[str]) -> str:
    """The API's own sentence, and what it leaves unsaid."""
    if error.fields:
        return "\n".join(f"{parameter(problem.field, options)}: {problem.message}" for problem in error.fields)
    return "\n".join(line for line in (sentence(error.message), hint(error)) if line)


def hint(error: ApiError) -> str:
    if isinstance(error, Unauthorized):
        return "Is the key right? It comes from BLUELOBSTER_API_KEY, or from the credentials of the local `up`."
    if isinstance(error, TooManyRequests) and error.retry_after is not None:
        return f"Try again in {error.retry_after:.0f} s."
    if isinstance(error, ServerFault):
        return f"The operator finds the cause under request {error.request_id}." if error.request_id else ""
    return details_text(error.details)


def details_text(details: object) -> str:
    """The details as `valid regions: a, b; …`, or the list of sentences that they are."""
    if isinstance(details, dict):
        return sentence("; ".join(f"{key.replace('_', ' ')}: {listed(value)}" for key, value in details.items()))
    return sentence(listed(details)) if isinstance(details, list | str) else ""


def listed(value: object) -> str:
    return ", ".join(str(entry) for entry in value) if isinstance(value, list) else str(value)


def parameter(field: str, options: Set[str]) -> str:
    """The option that holds this field, or the field: `body.metadata.key` is `--metadata`."""
    option = OPTION_OF_FIELD.get(field.removeprefix("body.").partition(".")[0])
    return option if option and option in options else field


def sentence(text: str) -> str:
    """With a capital and a full stop, except where it ends in other punctuation."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?:" else ".")
